package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused before a calibration is run for it, and what no output may replace. */
class BeforehandTest {
    private static final Path MODEL = Tampered.HUGGING_FACE;

    @TempDir
    Path folder;

    private Path text;
    private byte[] words = new byte[0];

    @BeforeEach
    void text() throws IOException {
        words = Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000);
        text = Files.write(folder.resolve("text.txt"), words);
    }

    /** A dot stands for the temporary folder. */
    private Cli.Run run(String arguments) {
        return Cli.run(Stream.of(arguments.split(" "))
                .map(word -> word.startsWith("./") ? folder.resolve(word.substring(2)) : word)
                .toArray());
    }

    private void refused(Cli.Run run, int code, String message) throws IOException {
        assertThat(run.err().replace(folder.toString(), ".")).contains(message).doesNotContain("entries from");
        assertThat(run.code()).isEqualTo(code);
        assertThat(text).hasBinaryContent(words);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(text);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-o ./text.txt --calibrate ./text.txt",
                "-o ./a.gguf --calibrate ./text.txt --manifest ./text.txt",
                "-o ./a.gguf --calibrate ./text.txt --bom ./text.txt",
                "-o ./a.gguf --calibrate ./text.txt --attestation ./text.txt",
                "-o ./a.gguf --calibrate ./text.txt --imatrix ./text.txt",
                "-o ./text.txt --gate kld<1 --gate-ctx 64 --gate-text ./text.txt",
                "-o ./a.gguf --gate kld<1 --gate-text ./text.txt --manifest ./text.txt",
                "-o ./text.txt --calibrate ./text.txt --target-bpw 5"
            })
    void textsAreInputs(String options) throws IOException {
        String all = "convert " + MODEL + " -t Q4_0 --force " + options;
        refused(
                run(options.contains("--calibrate") ? all + " --calibrate-ctx 64" : all),
                Quern.USAGE,
                "error: ./text.txt: is the input ./text.txt");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        -o ./no/a.gguf                                       | 2 | error: ./no/a.gguf: there is no directory ./no
        -o ./i.gguf --imatrix ./i.gguf                       | 2 | error: ./i.gguf: is ./i.gguf, which is read too
        -o ./a.gguf --method compensated                     | 3 | expected at least 16 windows of 64 tokens, found
        -o ./a.gguf --target-size 1MB                        | 2 | cannot be as small as --target-size 1000000
        -o ./a.gguf --gate size<1MB                          | 4 | a.gguf: was not put in place
        """)
    void whatCannotBeIsSaidBeforeTheCalibration(String options, int code, String message) throws IOException {
        String given = MODEL + " -t Q4_0 --calibrate ./text.txt --calibrate-ctx 64 ";
        refused(run("convert " + given + options), code, message);
    }

    @Test
    void anOutputThatExistsIsSaidBeforeTheCalibration() throws IOException {
        refused(
                run("convert " + MODEL + " -t Q4_0 -o ./text.txt --calibrate test-data/text/calibration.txt"),
                Quern.USAGE,
                "error: ./text.txt: already exists");
        refused(
                run("convert " + MODEL
                        + " -t Q4_0 -o ./a.gguf --target-bpw 5 --save-tensor-types ./text.txt --calibrate"
                        + " test-data/text/calibration.txt"),
                Quern.USAGE,
                "error: ./text.txt: already exists");
    }

    @Test
    void anInputThatIsQuantizedIsSaidBeforeTheCalibration() throws IOException {
        Path quantized = folder.resolve("q4.gguf");
        assertThat(Cli.run("convert", MODEL, "-t", "Q4_0", "-o", quantized).code())
                .isZero();
        Cli.Run run = run("quantize ./q4.gguf ./q5.gguf Q5_0 --calibrate ./text.txt --calibrate-ctx 64");
        Files.delete(quantized);
        refused(run, Quern.REFUSED, "is already quantized (Q4_0), and would be again (Q5_0)");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        --calibrate-ctx 64     | --calibrate-ctx is of no use without --calibrate TEXT
        --calibrate-chunks 3   | --calibrate-chunks is of no use without --calibrate TEXT
        --include-weights attn | --include-weights is of no use without --imatrix or --calibrate
        --exclude-weights attn | --exclude-weights is of no use without --imatrix or --calibrate
        --gate-ctx 64          | --gate-ctx is of no use without --gate
        --gate-chunks 3        | --gate-chunks is of no use without --gate
        --keep-failed          | --keep-failed is of no use without --gate
        """)
    void whatDoesNothingIsRefused(String option, String message) throws IOException {
        refused(run("convert " + MODEL + " -t Q4_0 -o ./a.gguf " + option), Quern.USAGE, "error: " + message);
    }

    /** Types without free codes are named, and a run that has nothing to choose. */
    @Test
    void aMethodWithNothingToChooseSaysSo() {
        Cli.Run some = run("convert " + MODEL + " -t TQ1_0 --pure --method search -o ./a.gguf");
        assertThat(some.code()).as(some.err()).isZero();
        assertThat(some.err())
                .containsPattern("note: .*a\\.gguf: \\d+ of \\d+ quantized tensors have the reference's"
                        + " codes; method search does not know TQ1_0");
        Cli.Run none = run("quantize ./a.gguf ./b.gguf TQ1_0 --pure --method search");
        assertThat(none.code()).as(none.err()).isZero();
        assertThat(none.err()).contains("b.gguf: method search changes nothing, since no tensor is quantized anew");
    }
}
