package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.pipeline.Family;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What embed refuses, and what is refused of the models that it is for. */
class EmbedRefusalsTest {
    @TempDir
    static Path shared;

    @TempDir
    Path folder;

    private static MiniLm made;
    private static Path minilm;
    private static Path q80;

    @BeforeAll
    static void convert() throws Exception {
        made = MiniLm.in(shared);
        minilm = made.checkpoint();
        q80 = made.converted("Q8_0");
    }

    private Path lines(String... lines) throws Exception {
        return Files.writeString(folder.resolve("texts.txt"), String.join("\n", lines) + "\n");
    }

    static void refused(int code, String message, Object... arguments) {
        Cli.Run run = Cli.run(
                Stream.concat(Stream.of("embed"), Arrays.stream(arguments)).toArray());
        assertThat(run.firstError()).isEqualTo("error: " + message);
        assertThat(run.code()).isEqualTo(code);
        assertThat(run.out()).isEmpty();
    }

    @Test
    void optionsThatDoNotGoTogether() throws Exception {
        String either = "expected texts to embed, or a file with one on each line (--file), and not both of them";
        refused(2, either, minilm);
        refused(2, either, minilm, "war", "-f", lines("war", "peace"));
        refused(2, "--pooling: expected none, mean, cls, last, found 'max'", minilm, "war", "--pooling", "max");
        refused(2, "-c: expected at least 3 tokens, found 2", minilm, "war", "-c", 2);
        refused(2, "-c: expected at least 3 tokens, found -1", minilm, "war", "-c", -1);
        refused(2, "--gate is of no use without --compare", minilm, "war", "--gate", "cosine_min>=1");
        refused(
                2,
                "gate 'kld<=1': expected one of cosine_mean, cosine_min, same_nearest, size, found 'kld'",
                minilm,
                "war",
                "--compare",
                q80,
                "--gate",
                "kld<=1");
        refused(
                2,
                "--no-normalize is of no use without vectors to print",
                minilm,
                "war",
                "--compare",
                q80,
                "--no-normalize");
        refused(
                2,
                "--compare needs one vector for a text, and the pooling is none",
                minilm,
                "war",
                "--compare",
                q80,
                "--pooling",
                "none");
        refused(2, "Missing required parameter: 'MODEL'");
    }

    @Test
    void textsThatAreNone() throws Exception {
        refused(3, "text 2: expected a text, found nothing that makes a token", minilm, "war", "");
        refused(3, "text 1: expected a text, found nothing that makes a token", minilm, " \t ");
        Path file = lines("war", "", "peace");
        refused(3, file + ": line 2: expected a text, found nothing that makes a token", minilm, "-f", file);
        for (String empty : List.of("", "\n", "\uFEFF")) {
            Path none = Files.writeString(folder.resolve("none.txt"), empty);
            refused(3, none + ": expected a text on each line, found an empty file", minilm, "-f", none);
        }
        Path bytes =
                Files.write(folder.resolve("bytes.txt"), new byte[] {'w', 'a', 'r', '\n', 'a', (byte) 0xC3, '(', '\n'});
        refused(3, bytes + ": line 2, byte 5 of the file: is not UTF-8", minilm, "-f", bytes);
        refused(
                2,
                "text 1 is not readable in this locale's encoding (" + System.getProperty("sun.jnu.encoding")
                        + "); put it into a file and use --file",
                minilm,
                "caf\uFFFD");
        Path missing = folder.resolve("missing.txt");
        Cli.Run run = Cli.run("embed", minilm, "-f", missing);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + missing + ": ");
        InputStream in = System.in;
        try {
            System.setIn(new ByteArrayInputStream(new byte[0]));
            refused(3, "standard input: expected a text on each line, found an empty file", minilm, "-f", "-");
            System.setIn(new ByteArrayInputStream(new byte[] {(byte) 0xFF}));
            refused(3, "standard input: line 1, byte 0 of the file: is not UTF-8", minilm, "-f", "-");
            System.setIn(new PipedInputStream());
            refused(3, "standard input: cannot be read: Pipe not connected", minilm, "-f", "-");
        } finally {
            System.setIn(in);
        }
    }

    @Test
    void modelsThatMakeNoVectors() throws Exception {
        Cli.Run without = Cli.run("embed", "test-data/evaluation/bert.gguf", "war");
        assertThat(without.code()).isEqualTo(3);
        assertThat(without.firstError())
                .startsWith("error: test-data/evaluation/bert.gguf: ")
                .contains("tokenizer.ggml.model", "no_vocab");
        Path damaged = made.converted("F32");
        long at;
        try (GgufFile gguf = GgufFile.open(damaged)) {
            at = gguf.region("blk.1.layer_output_norm.bias").offset();
        }
        byte[] all = Files.readAllBytes(damaged);
        ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).putFloat((int) at, Float.NaN);
        Path infinite = Files.write(folder.resolve("nan.gguf"), all);
        refused(3, infinite + ": the vector of text 1 has the value NaN", infinite, "war");
        refused(3, infinite + ": the vector of text 1 has the value NaN", minilm, "war", "--compare", infinite);
        // More positions than it has are only asked for by whoever says so.
        Cli.Run beyond = Cli.run("embed", minilm, "peace ".repeat(80), "-c", 150);
        assertThat(beyond.code()).isEqualTo(3);
        assertThat(beyond.err())
                .contains(
                        "error: " + minilm + ": tensor \"position_embd.weight\": expected 150 positions, found 128\n");
    }

    /** Not even where its vocabulary would let it. */
    @Test
    void whatIsMeasuredOfPredictionsIsNotMeasuredOfAnEncoder() throws Exception {
        byte[] bytes = Files.readAllBytes(q80);
        byte[] key = "tokenizer.ggml.add_eos_token".getBytes(StandardCharsets.UTF_8);
        int at = 0;
        while (Arrays.mismatch(bytes, at, at + key.length, key, 0, key.length) >= 0) {
            at++;
        }
        assertThat(bytes[at + key.length + 4]).isEqualTo((byte) 1);
        bytes[at + key.length + 4] = 0;
        Path open = Files.write(folder.resolve("open.gguf"), bytes);
        Path text = Tampered.TEXT;
        for (Path model : List.of(open, minilm)) {
            for (Object[] command : List.of(
                    new Object[] {"perplexity", "-m", model, "-f", text, "-c", 64, "--chunks", 2},
                    new Object[] {"compare", "--base", model, "-m", model, "-f", text, "-c", 64, "--chunks", 2},
                    new Object[] {"score", "-m", model, "-f", text, "--task", "hellaswag"},
                    new Object[] {
                        "convert",
                        model,
                        "-t",
                        "Q4_0",
                        "-o",
                        folder.resolve("x.gguf"),
                        "--allow-requantize",
                        "--gate",
                        "kld<=1",
                        "--gate-text",
                        text,
                        "--gate-ctx",
                        64
                    })) {
                Cli.Run run = Cli.run(command);
                assertThat(run.err())
                        .contains(
                                "error: " + model + ": is an encoder, which predicts no tokens: there is no perplexity"
                                        + " and no divergence to measure\nhint: quern embed MODEL --compare OTHER");
                assertThat(run.code()).isEqualTo(3);
            }
        }
        assertThat(folder.resolve("x.gguf")).doesNotExist();
    }

    @Test
    void noTextIsContinuedByAnEncoder() {
        Cli.Run run = Cli.run("generate", "-m", minilm, "-p", "war");
        assertThat(run.firstError())
                .isEqualTo("error: " + minilm + ": an encoder cannot continue a text: its tokens see those after them");
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.out()).isEmpty();
    }

    @Test
    void onlyModelsOfOneKindAreCompared() throws Exception {
        Path wide = Tampered.HUGGING_FACE;
        refused(
                3,
                wide + ": makes vectors of 256 values, the base of 64",
                minilm,
                "war",
                "--pooling",
                "mean",
                "--compare",
                wide);
        Path other = Family.of("xlm-roberta").write(folder);
        refused(
                3,
                other + ": its vocabulary makes other tokens of text 1 than that of " + minilm,
                minilm,
                "war",
                "--compare",
                other);
    }
}
