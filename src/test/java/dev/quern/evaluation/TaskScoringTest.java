package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.io.InputException;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Scores against llama-perplexity's formulas over the logits of whole sequences from the peer's library. */
class TaskScoringTest {
    @TempDir
    Path directory;

    private static List<TaskScoring.Answer> answers(Source source, TaskFormat format, List<ChoiceTask> tasks) {
        List<TaskScoring.Answer> answers = new ArrayList<>();
        try (CachedForward forward = CachedForward.of(source.model(), Bundled.pass(source.model()), 512, 2)) {
            TaskScoring.run(forward, format, tasks, 512, (task, answer) -> {
                assertThat(task).isEqualTo(answers.size());
                answers.add(answer);
            });
        }
        assertThat(answers).hasSameSizeAs(tasks);
        return answers;
    }

    /** ln p of each token of a text but the first, from the peer. */
    private record Read(int[] tokens, float[] logits, int vocabulary) {
        static Read of(LlamaModel peer, String text) {
            int[] tokens = peer.tokenize(text.getBytes(StandardCharsets.UTF_8), true, false);
            return new Read(tokens, peer.logits(tokens, ContextOptions.FLOAT), peer.vocabularySize());
        }

        double after(int position, int token) {
            return Peers.logProbability(logits, vocabulary, position, token);
        }
    }

    private static int common(List<Read> read) {
        int at = 0;
        while (true) {
            for (Read one : read) {
                if (at == one.tokens().length
                        || one.tokens()[at] != read.getFirst().tokens()[at]) {
                    return at;
                }
            }
            at++;
        }
    }

    /** Mean of ln p from the first token that differs on. */
    private static double[] endings(LlamaModel peer, List<String> texts) {
        List<Read> read = texts.stream().map(text -> Read.of(peer, text)).toList();
        int prefix = common(read);
        return read.stream()
                .mapToDouble(one -> {
                    double sum = 0;
                    for (int j = prefix; j < one.tokens().length; j++) {
                        sum += one.after(j - 1, one.tokens()[j]);
                    }
                    return sum / (one.tokens().length - prefix);
                })
                .toArray();
    }

    private static void check(TaskScoring.Answer found, double[] expected, boolean secondOfEquals) {
        assertThat(found.scores()).containsExactly(expected, within(1e-4));
        int best = 0;
        for (int i = 1; i < expected.length; i++) {
            best = expected[i] > expected[best] || secondOfEquals && expected[i] == expected[best] ? i : best;
        }
        assertThat(found.chosen()).isEqualTo(best);
    }

    private interface Check {
        void run(Source source, LlamaModel peer, Tokenizer tokenizer);
    }

    private void with(Check check) {
        LlamaCpp.require();
        Path file = Bundled.convert(FileType.F32, directory);
        try (Source source = Source.open(file);
                LlamaModel peer = LlamaCpp.load(file)) {
            check.run(source, peer, Tokenizer.of(source.model().metadata()));
        }
    }

    @Test
    void hellaSwag() {
        with((source, peer, tokenizer) -> {
            String text = TaskFiles.hellaSwag(40);
            List<String> lines = text.lines().toList();
            Path file = TaskFiles.write(directory, text.getBytes(StandardCharsets.UTF_8));
            List<ChoiceTask> tasks = TaskFormat.HELLASWAG.tasks(file, 10, tokenizer);
            List<TaskScoring.Answer> found = answers(source, TaskFormat.HELLASWAG, tasks);
            // The first ten of 40 that g++'s distribution draws from mt19937(1), each from those left over.
            MersenneTwister random = new MersenneTwister(1);
            List<Integer> left = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                left.add(i);
            }
            for (int i = 0; i < 10; i++) {
                int at = (int) random.uniform(left.size());
                int first = 6 * left.get(at);
                left.subList(at, at + 1).clear();
                assertThat(tasks.get(i).where()).isEqualTo(file + ": line " + (first + 1));
                List<String> texts = List.of(2, 3, 4, 5).stream()
                        .map(j -> lines.get(first) + " " + lines.get(first + j))
                        .toList();
                check(found.get(i), endings(peer, texts), false);
                assertThat(found.get(i).right())
                        .isEqualTo(found.get(i).chosen() == Integer.parseInt(lines.get(first + 1)));
            }
            assertThat(TaskFormat.HELLASWAG.tasks(file, -1, tokenizer)).hasSize(40);
        });
    }

    @Test
    void multipleChoice() {
        with((source, peer, tokenizer) -> {
            Path file = TaskFiles.write(directory, TaskFiles.multipleChoice(12));
            List<ChoiceTask> tasks = TaskFormat.MULTIPLE_CHOICE.tasks(file, 0, tokenizer);
            List<TaskScoring.Answer> found = answers(source, TaskFormat.MULTIPLE_CHOICE, tasks);
            List<String> texts = TaskFiles.stretches(72, 8);
            for (int i = 0; i < 12; i++) {
                int task = i;
                int count = 2 + i % 4;
                List<String> sequences = java.util.stream.IntStream.rangeClosed(1, count)
                        .mapToObj(j -> texts.get(6 * task) + " " + texts.get(6 * task + j))
                        .toList();
                check(found.get(i), endings(peer, sequences), false);
                assertThat(tasks.get(i).right()).containsExactly(i % count);
                assertThat(found.get(i).right()).isEqualTo(found.get(i).chosen() == i % count);
            }
            List<ChoiceTask> some = TaskFormat.MULTIPLE_CHOICE.tasks(file, 5, tokenizer);
            assertThat(some)
                    .hasSize(5)
                    .allSatisfy(one -> assertThat(tasks)
                            .anySatisfy(other -> assertThat(one.where()).isEqualTo(other.where())));
        });
    }

    @Test
    void winogrande() {
        with((source, peer, tokenizer) -> {
            String text = TaskFiles.winogrande(15);
            Path file = TaskFiles.write(directory, text.getBytes(StandardCharsets.UTF_8));
            List<ChoiceTask> tasks = TaskFormat.WINOGRANDE.tasks(file, -1, tokenizer);
            List<TaskScoring.Answer> found = answers(source, TaskFormat.WINOGRANDE, tasks);
            List<String> lines = text.lines().toList();
            int skipped = 0;
            for (int i = 0; i < 15; i++) {
                String line = lines.get(i);
                String[] tail = line.substring(0, line.length() - 2).split(",");
                String[] choices = {tail[tail.length - 2], tail[tail.length - 1]};
                String sentence = line.substring(
                                line.indexOf(',') + 1, line.lastIndexOf("," + choices[0] + "," + choices[1]))
                        .replace("\"", "");
                String first = sentence.substring(0, sentence.indexOf('_'));
                String rest = sentence.substring(sentence.indexOf('_') + 1);
                List<Read> read =
                        List.of(Read.of(peer, first + choices[0] + rest), Read.of(peer, first + choices[1] + rest));
                int prefix = common(read);
                boolean skip = read.stream().allMatch(one -> one.tokens().length - prefix > 3);
                skipped += skip ? 1 : 0;
                double[] expected = new double[2];
                for (int s = 0; s < 2; s++) {
                    int[] tokens = read.get(s).tokens();
                    int base = skip
                            ? peer.tokenize((first + choices[s]).getBytes(StandardCharsets.UTF_8), true, false).length
                            : prefix;
                    int last = tokens.length - base > 1 ? 1 : 0;
                    for (int j = base - 1; j < tokens.length - 1 - last; j++) {
                        // The peer's batch holds the second sentence's rows behind the first's, and when it does not
                        // skip the choice it takes the row before them for the second sentence's first score.
                        expected[s] += s == 1 && base == prefix && j == base - 1
                                ? read.getFirst().after(read.getFirst().tokens().length - 1, tokens[j + 1])
                                : read.get(s).after(j, tokens[j + 1]);
                    }
                    expected[s] /= tokens.length - base - last;
                }
                check(found.get(i), expected, true);
                assertThat(found.get(i).right()).isEqualTo(found.get(i).chosen() == i % 2);
            }
            assertThat(skipped).isBetween(3, 12);
            assertThat(TaskFormat.WINOGRANDE.tasks(file, 4, tokenizer)).hasSize(4);
        });
    }

    /** More answers than one call takes: the beginning stays in its cells. */
    @Test
    void aTaskOfSeveralCalls() {
        try (Source source = Source.open(Bundled.CHECKPOINT)) {
            Tokenizer tokenizer = Tokenizer.of(source.model().metadata());
            List<String> stretches = TaskFiles.stretches(41, 40);
            List<String> texts = stretches.subList(1, 41).stream()
                    .map(text -> stretches.getFirst() + " " + text)
                    .toList();
            ChoiceTask many = ChoiceTask.endings("many", texts, java.util.Set.of(0), tokenizer);
            assertThat(many.tokens()).isGreaterThan(2 * CachedForward.MOST_TOKENS);
            List<TaskScoring.Answer> together = answers(source, TaskFormat.MULTIPLE_CHOICE, List.of(many, many));
            for (int i = 0; i < 40; i += 13) {
                int[] tokens = many.sequences().get(i);
                try (Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), tokens.length - 1, 1)) {
                    double[] all = forward.improbabilities(
                            java.util.Arrays.copyOf(tokens, tokens.length - 1),
                            many.prefix() - 1,
                            tokens.length - 1,
                            java.util.Arrays.copyOfRange(tokens, many.prefix(), tokens.length));
                    double mean = -java.util.Arrays.stream(all).average().orElseThrow();
                    assertThat(together.get(0).scores()[i]).isCloseTo(mean, within(1e-5));
                    assertThat(together.get(1).scores()[i]).isCloseTo(mean, within(1e-5));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(TaskFormat.class)
    void aTaskThatIsTooLong(TaskFormat format) {
        try (Source source = Source.open(Bundled.CHECKPOINT);
                CachedForward forward = CachedForward.of(source.model(), Bundled.pass(source.model()), 8, 1)) {
            Tokenizer tokenizer = Tokenizer.of(source.model().metadata());
            ChoiceTask task = ChoiceTask.endings(
                    "tasks: line 1", List.of("one two three four", "one two five"), java.util.Set.of(0), tokenizer);
            int longest = task.sequences().getFirst().length;
            assertThatThrownBy(() -> TaskScoring.run(forward, format, List.of(task), 4, (i, answer) -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage("tasks: line 1: the task has " + longest + " tokens, expected at most 4");
        }
    }
}
