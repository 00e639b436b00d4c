package dev.quern.evaluation;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The three kinds of task file that llama-perplexity reads, and which of a file's tasks it takes (tools/perplexity).
 * Where the peer passes over a line that it cannot read, this refuses the file.
 */
public enum TaskFormat {
    /** Text, six lines a task: context, index of the right ending, four endings. */
    HELLASWAG(400) {
        @Override
        List<ChoiceTask> read(Path path, int most, Tokenizer tokenizer) {
            List<String> lines = lines(path);
            if (lines.isEmpty() || lines.size() % LINES != 0) {
                throw InputException.of(
                        path, "expected " + LINES + " lines for each task, found " + lines.size() + " lines");
            }
            int count = lines.size() / LINES;
            List<Integer> left =
                    new ArrayList<>(IntStream.range(0, count).boxed().toList());
            MersenneTwister random = new MersenneTwister(1);
            List<ChoiceTask> tasks = new ArrayList<>();
            while (tasks.size() < Math.min(most, count)) {
                int at = (int) random.uniform(left.size());
                int task = left.get(at);
                left.subList(at, at + 1).clear();
                tasks.add(hellaSwag(path, lines, task * LINES, tokenizer));
            }
            return tasks;
        }
    },

    /** CSV, a task a line: index, sentence with {@code _} for the gap, two choices, which of them is right. */
    WINOGRANDE(0) {
        @Override
        List<ChoiceTask> read(Path path, int most, Tokenizer tokenizer) {
            List<String> lines = lines(path);
            List<Integer> filled = IntStream.range(0, lines.size())
                    .filter(i -> !lines.get(i).isBlank())
                    .boxed()
                    .toList();
            if (filled.isEmpty()) {
                throw InputException.of(path, "expected a task on each line, found none");
            }
            return chosen(filled.size(), most).stream()
                    .map(i -> winogrande(path, lines, filled.get(i), tokenizer))
                    .toList();
        }
    },

    /** Binary: a count, an offset for each task, then question, answers and labels of each. */
    MULTIPLE_CHOICE(0) {
        @Override
        List<ChoiceTask> read(Path path, int most, Tokenizer tokenizer) {
            try (MappedFile file = MappedFile.open(path)) {
                return new Binary(file, tokenizer).read(most);
            }
        }
    };

    private static final int LINES = 6;

    private final int usual;

    TaskFormat(int usual) {
        this.usual = usual;
    }

    /**
     * @param most tasks to take at most, 0 for all; a negative number for as many as the peer takes unless told
     * @throws InputException when a task cannot be read
     */
    public List<ChoiceTask> tasks(Path path, int most, Tokenizer tokenizer) {
        int wanted = most < 0 ? usual : most;
        return read(path, wanted == 0 ? Integer.MAX_VALUE : wanted, tokenizer);
    }

    abstract List<ChoiceTask> read(Path path, int most, Tokenizer tokenizer);

    /** Bytes as Latin-1, so that nothing of them is lost. */
    private static List<String> lines(Path path) {
        String text = new String(Text.read(path).bytes(), StandardCharsets.ISO_8859_1);
        List<String> lines = new ArrayList<>(List.of(text.split("\n", -1)));
        if (lines.getLast().isEmpty()) {
            lines.removeLast();
        }
        return lines;
    }

    private static String where(Path path, int line) {
        return path + ": line " + (line + 1);
    }

    private static ChoiceTask hellaSwag(Path path, List<String> lines, int first, Tokenizer tokenizer) {
        String label = lines.get(first + 1).strip();
        if (!label.matches("[0-3]")) {
            throw InputException.of(
                    where(path, first + 1), "expected the right ending's index, 0 to 3, found " + Quoted.of(label));
        }
        List<String> texts = IntStream.range(2, LINES)
                .mapToObj(i -> lines.get(first) + " " + lines.get(first + i))
                .toList();
        return ChoiceTask.endings(where(path, first), texts, Set.of(Integer.parseInt(label)), tokenizer);
    }

    private static ChoiceTask winogrande(Path path, List<String> lines, int number, Tokenizer tokenizer) {
        String line = lines.get(number);
        String where = where(path, number);
        int[] commas = commas(line);
        if (commas.length < 4) {
            throw InputException.of(
                    where, "expected index, sentence, choice, choice, answer with commas, found " + Quoted.of(line));
        }
        String sentence = line.substring(commas[0] + 1, commas[1]);
        if (sentence.startsWith("\"")) {
            sentence = sentence.substring(1, Math.max(1, sentence.length() - 1));
        }
        int gap = sentence.indexOf('_');
        if (gap < 0) {
            throw InputException.of(where, "expected a sentence with _ for the gap, found " + Quoted.of(sentence));
        }
        String answer = line.substring(commas[3] + 1).strip();
        if (!answer.matches("[12]")) {
            throw InputException.of(where, "expected the answer, 1 or 2, found " + Quoted.of(answer));
        }
        return ChoiceTask.gap(
                where,
                sentence.substring(0, gap),
                List.of(line.substring(commas[1] + 1, commas[2]), line.substring(commas[2] + 1, commas[3])),
                sentence.substring(gap + 1),
                Integer.parseInt(answer) - 1,
                tokenizer);
    }

    /** The first four commas that no quotes surround. */
    private static int[] commas(String line) {
        boolean[] quoted = {false};
        return IntStream.range(0, line.length())
                .filter(i -> {
                    quoted[0] ^= line.charAt(i) == '"';
                    return line.charAt(i) == ',' && !quoted[0];
                })
                .limit(4)
                .toArray();
    }

    /** Which tasks: all in order, or some that the peer's generator chooses. */
    private static List<Integer> chosen(int count, int most) {
        List<Integer> left = new ArrayList<>(IntStream.range(0, count).boxed().toList());
        if (most >= count) {
            return left;
        }
        MersenneTwister random = new MersenneTwister(1);
        List<Integer> chosen = new ArrayList<>();
        while (chosen.size() < most) {
            int at = random.scaled(left.size());
            chosen.add(left.get(at));
            left.set(at, left.getLast());
            left.removeLast();
        }
        return chosen;
    }

    /** Reads the binary kind. */
    private static final class Binary {
        private static final int MOST_ANSWERS = 100;

        private final MappedFile file;
        private final Region region;
        private final Tokenizer tokenizer;
        private long at;

        Binary(MappedFile file, Tokenizer tokenizer) {
            this.file = file;
            this.region = file.region();
            this.tokenizer = tokenizer;
        }

        List<ChoiceTask> read(int most) {
            long count = u32("number of tasks");
            if (count == 0 || count > (file.size() - at) / 4) {
                throw InputException.expected(
                        file.path(), "byte 0: number of tasks", "1 to " + (file.size() - at) / 4, count);
            }
            List<Integer> chosen = chosen((int) count, most);
            boolean all = chosen.size() == count;
            List<ChoiceTask> tasks = new ArrayList<>();
            at = 4 + 4 * count;
            for (int task : chosen) {
                if (!all) {
                    long offset = region.u32(4 + 4L * task);
                    if (offset >= file.size()) {
                        throw InputException.expected(
                                file.path(),
                                "byte " + (4 + 4L * task) + ": offset of task " + (task + 1),
                                "less than the file's " + file.size() + " bytes",
                                offset);
                    }
                    at = offset;
                }
                tasks.add(task(task));
            }
            return tasks;
        }

        private ChoiceTask task(int number) {
            String where = file.path() + ": task " + (number + 1) + " at byte " + at;
            String question = string("question");
            List<String> answers = answers();
            List<Integer> labels = labels(answers.size());
            // A second set of answers, of which several may be right, follows; the peer does not score it either.
            labels(answers().size());
            if (question.isEmpty() || answers.isEmpty() || answers.stream().anyMatch(String::isEmpty)) {
                throw InputException.of(where, "expected a question and answers, found an empty one");
            }
            Set<Integer> right = IntStream.range(0, labels.size())
                    .filter(i -> labels.get(i) == 1)
                    .boxed()
                    .collect(Collectors.toUnmodifiableSet());
            return ChoiceTask.endings(
                    where,
                    answers.stream().map(answer -> question + " " + answer).toList(),
                    right,
                    tokenizer);
        }

        private List<String> answers() {
            long begin = at;
            long count = u32("number of answers");
            if (count > MOST_ANSWERS) {
                throw InputException.expected(
                        file.path(), "byte " + begin + ": number of answers", "at most " + MOST_ANSWERS, count);
            }
            List<String> answers = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                answers.add(string("answer"));
            }
            return answers;
        }

        private List<Integer> labels(int count) {
            List<Integer> labels = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                labels.add((int) u32("label"));
            }
            return labels;
        }

        private String string(String what) {
            long length = u32("length of the " + what);
            require(length, what);
            String text = new String(region.bytes(at, (int) length), StandardCharsets.ISO_8859_1);
            at += length;
            return text;
        }

        private long u32(String what) {
            require(Integer.BYTES, what);
            long value = region.u32(at);
            at += Integer.BYTES;
            return value;
        }

        private void require(long bytes, String what) {
            if (bytes > file.size() - at) {
                throw InputException.of(
                        file.path(),
                        "byte " + at + ": " + what,
                        "expected " + bytes + " bytes, found the file's end after " + (file.size() - at));
            }
        }
    }
}
