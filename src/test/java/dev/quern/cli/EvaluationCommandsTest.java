package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** perplexity, compare, generate and score as commands: options, output, exit codes. */
class EvaluationCommandsTest {
    private static final Path MODEL = Tampered.HUGGING_FACE;
    private static final Path TEXT = Tampered.TEXT;

    @TempDir
    static Path folder;

    private static Path q40;
    private static Path q80;

    @BeforeAll
    static void quantize() {
        q40 = folder.resolve("q40.gguf");
        q80 = folder.resolve("q80.gguf");
        for (var file : List.of(List.of("Q4_0", q40), List.of("Q8_0", q80))) {
            assertThat(Cli.run("convert", MODEL, "-t", file.get(0), "-o", file.get(1), "--quiet")
                            .code())
                    .isZero();
        }
    }

    private static JsonNode json(Cli.Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        return JsonMapper.shared().readTree(run.out());
    }

    private static void usage(String message, Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).isEqualTo("error: " + message);
    }

    @Test
    void perplexityInStridesWithItsInterval() {
        JsonNode found = json(
                Cli.run("perplexity", "-m", MODEL, "-f", TEXT, "-c", 128, "--ppl-stride", 64, "--chunks", 6, "--json"));
        assertThat(found.get("context").asInt()).isEqualTo(256);
        assertThat(found.get("stride").asInt()).isEqualTo(64);
        assertThat(found.get("tokens_scored").asInt()).isEqualTo(6 * 64);
        double perplexity = found.get("perplexity").asDouble();
        assertThat(found.get("interval_95").get(0).asDouble()).isLessThan(perplexity);
        assertThat(found.get("interval_95").get(1).asDouble()).isGreaterThan(perplexity);
        assertThat(found.get("peak_memory").get("own_bytes").asLong()).isPositive();
        usage(
                "--ppl-stride: expected 1 to the context's 128, found 129",
                "perplexity",
                "-m",
                MODEL,
                "-f",
                TEXT,
                "-c",
                128,
                "--ppl-stride",
                129);
    }

    @Test
    void compareSaysWhoIsNearerAndJudges() {
        Cli.Run run = Cli.run(
                "compare",
                "-m",
                q40,
                q80,
                "--base",
                MODEL,
                "-f",
                TEXT,
                "-c",
                128,
                "--chunks",
                6,
                "--gate",
                "kld<=0.03",
                "--gate",
                "ppl_increase<=50%");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("====== KL divergence statistics ======")
                .contains("q80.gguf is nearer than q40.gguf: KLD difference 0.0")
                .contains(": certain\n")
                .contains("gate q40.gguf: kld<=0.03: passed, 0.0");
        assertThat(run.err()).contains("6 windows").contains("peak memory");
        Cli.Run failed = Cli.run(
                "compare",
                "-m",
                q80,
                "-m",
                q40,
                "--base",
                MODEL,
                "-f",
                TEXT,
                "-c",
                128,
                "--chunks",
                2,
                "--gate",
                "kld<=0.002",
                "--gate",
                "kld_upper<1");
        assertThat(failed.code()).isEqualTo(4);
        assertThat(failed.out())
                .contains("gate q80.gguf: kld<=0.002: passed")
                .contains("gate q40.gguf: kld<=0.002: failed")
                .contains("gate q40.gguf: kld_upper<1: failed, could not be measured")
                .contains("too few windows to be certain");
    }

    @Test
    void compareWithASavedBaseGivesTheSame() throws Exception {
        Path base = folder.resolve("saved.bin");
        JsonNode direct = json(Cli.run(
                "compare",
                "-m",
                q40,
                "--base",
                MODEL,
                "-f",
                TEXT,
                "-c",
                128,
                "--chunks",
                3,
                "--json",
                "--save-base",
                base));
        JsonNode saved = json(Cli.run("compare", "-m", q40, "--kl-divergence-base", base, "-f", TEXT, "--json"));
        assertThat(saved.get("windows").asInt()).isEqualTo(3);
        JsonNode a = direct.get("candidates").get(0);
        JsonNode b = saved.get("candidates").get(0);
        assertThat(b.get("ppl").get("value").asDouble())
                .isCloseTo(a.get("ppl").get("value").asDouble(), within(1e-4));
        assertThat(b.get("kld").get("value").asDouble())
                .isCloseTo(a.get("kld").get("value").asDouble(), within(2e-4));
        assertThat(b.get("running_kld")).hasSize(3);
        // Only the file, no candidate: the same bytes.
        Path alone = folder.resolve("alone.bin");
        assertThat(Cli.run("compare", "--base", MODEL, "-f", TEXT, "-c", 128, "--chunks", 3, "--save-base", alone)
                        .code())
                .isZero();
        assertThat(alone).hasSameBinaryContentAs(base);
        Cli.Run exists = Cli.run("compare", "--base", MODEL, "-f", TEXT, "-c", 128, "--save-base", alone);
        assertThat(exists.code()).isEqualTo(2);
        usage(
                "-c: expected the base file's 128 tokens, found 256",
                "compare",
                "-m",
                q40,
                "--kl-divergence-base",
                base,
                "-c",
                256);
        Path other = Files.writeString(folder.resolve("other.txt"), "It was a dark and stormy night. ".repeat(200));
        Cli.Run text = Cli.run("compare", "-m", q40, "--kl-divergence-base", base, "-f", other);
        assertThat(text.code()).isEqualTo(3);
        assertThat(text.firstError()).contains("token 1: expected the ").contains(" that " + other + " makes, found ");
    }

    @Test
    void compareRefusesWhatCannotBeCompared() throws Exception {
        Path base = folder.resolve("vocabulary.bin");
        byte[] file = new byte[20 + 4 * 3 + (8 + 2 * 4)];
        java.nio.ByteBuffer.wrap(file)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .put("_logits_".getBytes(StandardCharsets.US_ASCII))
                .putInt(3)
                .putInt(4)
                .putInt(1);
        Files.write(base, file);
        Cli.Run run = Cli.run("compare", "-m", q40, "--kl-divergence-base", base);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError())
                .isEqualTo("error: " + q40 + ": expected the 4 tokens of the vocabulary of " + base + ", found 2048");
        usage("expected either --base MODEL or --kl-divergence-base FILE", "compare", "-m", q40, "-f", TEXT);
        usage("expected -f TEXT to compare on", "compare", "-m", q40, "--base", MODEL);
        usage("expected -m CANDIDATE, at least one (or --save-base FILE)", "compare", "--base", MODEL, "-f", TEXT);
        usage(
                "--save-base needs --base MODEL: a base file is already one",
                "compare",
                "-m",
                q40,
                "--kl-divergence-base",
                base,
                "--save-base",
                folder.resolve("x"));
        usage(
                "gate 'kld<=3%': kld has no unit, found '%'",
                "compare", "-m", q40, "--base", MODEL, "-f", TEXT, "--gate", "kld<=3%");
    }

    @Test
    void generateWritesTheSameWithTheSameSeed() {
        Cli.Run run = Cli.run("generate", "-m", MODEL, "-p", "The prince", "-n", 12, "--quiet");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).startsWith("The prince ").endsWith("\n");
        JsonNode greedy = json(Cli.run("generate", "-m", MODEL, "-p", "The prince", "-n", 12, "--json"));
        assertThat(run.out()).isEqualTo("The prince" + greedy.get("text").asString() + "\n");
        assertThat(greedy.get("tokens")).hasSize(12);
        assertThat(greedy.get("end").asString()).isEqualTo("length");
        Object[] hot = {"generate", "-m", MODEL, "-p", "The prince", "-n", 12, "--temp", 1.5, "--seed", 5, "--json"};
        assertThat(json(Cli.run(hot)).get("tokens"))
                .isEqualTo(json(Cli.run(hot)).get("tokens"));
        usage("expected either -p TEXT or -f FILE", "generate", "-m", MODEL);
        assertThat(Cli.run("generate", "-m", MODEL, "-p", "x", "--top-p", 0).code())
                .isEqualTo(2);
        Cli.Run full = Cli.run("generate", "-m", MODEL, "-p", "The prince went home", "-c", 3);
        assertThat(full.code()).isEqualTo(3);
        assertThat(full.firstError()).contains("the context 3 positions: none is left for an answer");
    }

    @Test
    void generateShowsTwoModelsSideBySide() {
        Cli.Run run = Cli.run("generate", "-m", MODEL, "-p", "The prince", "-n", 40, "--compare", q40, "--quiet");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .startsWith("tolstoy-4m ")
                .contains(" | q40.gguf\n")
                .containsPattern("the same (for )?[0-9]+ tokens");
        Cli.Run same = Cli.run("generate", "-m", MODEL, "-p", "The prince", "-n", 9, "--compare", MODEL, "--quiet");
        assertThat(same.out()).endsWith("\nthe same 9 tokens\n");
    }

    @Test
    void textIsPrintedInWholeCharacters() {
        Utf8Stream stream = new Utf8Stream();
        byte[] text = "a\u00e9\ud83c\udf3e".getBytes(StandardCharsets.UTF_8);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length; i++) {
            String piece = stream.add(text, i, i + 1);
            assertThat(piece.isEmpty() || Character.isValidCodePoint(piece.codePointAt(0)))
                    .isTrue();
            assertThat(piece).doesNotContain("\ufffd");
            out.append(piece);
        }
        assertThat(out.toString()).isEqualTo("a\u00e9\ud83c\udf3e");
        assertThat(stream.add(new byte[] {'b', (byte) 0xff, 'c', (byte) 0xe2}, 0, 4))
                .isEqualTo("b\ufffdc");
        assertThat(stream.end()).isEqualTo("\ufffd");
    }

    @Test
    void scoreUnderBothNames() throws Exception {
        Path tasks = Files.writeString(folder.resolve("tasks.csv"), """
            0,He saw _ there that night with the others.,Pierre,Andrew,1
            1,She saw _ there that night with the others.,Pierre,Andrew,2
            """);
        Cli.Run run = Cli.run("score", "--task", "winogrande", "-m", MODEL, "-f", tasks);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .containsPattern("(?m)^2\t")
                .contains("winogrande: ")
                .contains("chance 50.00 %");
        Cli.Run peers = Cli.run("perplexity", "--winogrande", "--winogrande-tasks", 2, "-m", MODEL, "-f", tasks);
        assertThat(peers.out()).isEqualTo(run.out());
        JsonNode one = json(Cli.run("score", "--winogrande", "--tasks", 1, "-m", MODEL, "-f", tasks, "--json"));
        assertThat(one.get("tasks").asInt()).isEqualTo(1);
        assertThat(one.get("answers").get(0).get("scores")).hasSize(2);
        usage("expected --task hellaswag, winogrande or multiple-choice", "score", "-m", MODEL, "-f", tasks);
        usage(
                "--task: expected hellaswag, winogrande or multiple-choice, found 'mmlu'",
                "score",
                "--task",
                "mmlu",
                "-m",
                MODEL,
                "-f",
                tasks);
        usage("expected one kind of task, found 2", "score", "--hellaswag", "--winogrande", "-m", MODEL, "-f", tasks);
    }

    /** A real process, ended by a real SIGINT while it measures. */
    @Test
    void anInterruptedRunSaysWhatItHas() throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of("env", "--default-signal=INT"));
        command.addAll(
                Cli.process("perplexity", "-m", MODEL, "-f", TEXT, "-c", 64).command());
        command.add(3, "-Dquern.terminal=true");
        Process process = new ProcessBuilder(command).start();
        try (BufferedReader err =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
            StringBuilder said = new StringBuilder();
            while (!said.toString().contains("window ")) {
                int c = err.read();
                assertThat(c).as(said.toString()).isNotNegative();
                said.append((char) c);
            }
            assertThat(new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                            .start()
                            .waitFor())
                    .isZero();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(1);
            assertThat(out).containsPattern("PPL = [0-9.]+ \\+/- [0-9.]+ \\(interrupted: [0-9]+ of 1429 windows\\)");
        }
    }
}
