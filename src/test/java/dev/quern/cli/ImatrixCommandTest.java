package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

class ImatrixCommandTest {
    private static final String MODEL = "test-data/models/tolstoy-4m";
    private static final String TEXT = "test-data/text/calibration.txt";
    private static final int CONTEXT = 64;

    @TempDir
    Path folder;

    private Cli.Run imatrix(Path out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("imatrix", "-m", MODEL, "-f", TEXT, "-c", CONTEXT, "-o", out));
        arguments.addAll(List.of(more));
        Cli.Run run = Cli.run(arguments.toArray());
        assertThat(run.code()).as(run.err()).isZero();
        return run;
    }

    private static ActivationSums read(Path file) {
        return ImportanceReader.readSums(file, CONTEXT);
    }

    private static void assertClose(ActivationSums found, ActivationSums expected) {
        assertThat(found.entries().keySet()).isEqualTo(expected.entries().keySet());
        found.entries().forEach((name, entry) -> {
            ActivationSums.Entry other =
                    Objects.requireNonNull(expected.entries().get(name));
            assertThat(entry.counts()).isEqualTo(other.counts());
            for (int i = 0; i < entry.columns(); i++) {
                assertThat(entry.sums()[0][i]).isCloseTo(other.sums()[0][i], within(1e-6 * other.sums()[0][i]));
            }
        });
    }

    @Test
    void partsAddUpToTheWhole() {
        Path whole = folder.resolve("whole.gguf");
        Cli.Run run = imatrix(whole, "--chunks", 6);
        assertThat(run.out()).containsPattern("PPL = [0-9.]+ \\+/- [0-9.]+");
        assertThat(read(whole).chunks()).isEqualTo(6);
        assertThat(read(whole).datasets()).containsExactly(TEXT);
        Path first = folder.resolve("first.dat");
        assertThat(imatrix(first, "--chunks", 4, "--no-ppl").out()).isEmpty();
        Path rest = folder.resolve("rest.gguf");
        imatrix(rest, "--from-chunk", 4, "--chunks", 2);
        Path sum = folder.resolve("sum.gguf");
        Cli.Run added = Cli.run("imatrix", "-c", CONTEXT, "--in-file", first + "," + rest, "-o", sum);
        assertThat(added.code()).as(added.err()).isZero();
        assertThat(added.err()).contains("28 entries, 6 chunks");
        assertClose(read(sum), read(whole));
        // And straight on top of the first part, under its own name.
        imatrix(first, "--in-file", first, "--from-chunk", 4, "--chunks", 2, "--output-format", "gguf");
        assertClose(read(first), read(whole));
    }

    @Test
    void savedOnTheWayAndResumed() {
        Path out = folder.resolve("x.gguf");
        imatrix(out, "--chunks", 5, "--save-frequency", 2);
        assertThat(folder.resolve("x.gguf.at_2")).exists();
        assertThat(read(folder.resolve("x.gguf.at_4")).chunks()).isEqualTo(4);
        Path whole = folder.resolve("whole.gguf");
        imatrix(whole, "--chunks", 8);
        imatrix(out, "--chunks", 8, "--resume");
        assertClose(read(out), read(whole));
        assertThat(read(out).datasets()).containsExactly(TEXT);
        assertThat(imatrix(out, "--chunks", 8, "--resume").err()).contains("nothing is left to do");
    }

    @Test
    void whatItRefuses() throws IOException {
        Path out = folder.resolve("x.gguf");
        imatrix(out, "--chunks", 2);
        refused(2, out + ": exists", "imatrix", "-m", MODEL, "-f", TEXT, "-o", out);
        refused(
                2,
                out + ": expected what " + TEXT + " alone gave in chunks of 128 tokens, found " + TEXT
                        + " in chunks of 64",
                "imatrix",
                "-m",
                MODEL,
                "-f",
                TEXT,
                "-c",
                128,
                "-o",
                out,
                "--resume");
        refused(2, "-m: expected a model for the text", "imatrix", "-f", TEXT, "-o", folder.resolve("y.gguf"));
        refused(
                2,
                "expected a text (-f) or importance matrices to add up (--in-file)",
                "imatrix",
                "-m",
                MODEL,
                "-o",
                folder.resolve("y.gguf"));
        refused(2, "--show-statistics: expected one --in-file, found 0", "imatrix", "--show-statistics");
        Path tiny = Files.writeString(folder.resolve("tiny.txt"), "Once upon a time there was a miller. ".repeat(20));
        refused(
                3,
                tiny + ": expected more than the 99 windows to leave out, found ",
                "imatrix",
                "-m",
                MODEL,
                "-f",
                tiny,
                "-c",
                16,
                "--from-chunk",
                99,
                "-o",
                folder.resolve("y.gguf"));
    }

    private static void refused(int code, String message, Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.firstError()).startsWith("error: " + message);
        assertThat(run.code()).isEqualTo(code);
    }

    @Test
    void statistics() {
        Cli.Run run = Cli.run("imatrix", "--in-file", "test-data/golden/imatrix.gguf", "--show-statistics");
        assertThat(run.code()).isZero();
        assertThat(run.out()
                        .lines()
                        .filter(line -> line.contains("attn_output"))
                        .count())
                .isEqualTo(4);
        assertThat(run.out()).contains("CosSim").contains("sum(act^2)");
        assertThat(Cli.run("imatrix", "--in-file", "test-data/golden/imatrix.gguf", "--show-statistics", "--json")
                        .out())
                .contains("\"tensor\" : \"blk.3.ffn_up.weight\"");
    }

    /** One command, or one after the other: the same bytes, for a checkpoint and for a GGUF. */
    @Test
    void calibratingOnTheSpotGivesTheSameFile() throws IOException {
        Path matrix = folder.resolve("m.gguf");
        imatrix(matrix, "--chunks", 3);
        Path apart = convert("apart-{ftype}.gguf", "--imatrix", matrix);
        Path kept = folder.resolve("apart.m.gguf");
        Files.move(matrix, kept);
        Path together = convert(
                "together-{ftype}.gguf",
                "--calibrate",
                TEXT,
                "--calibrate-ctx",
                CONTEXT,
                "--calibrate-chunks",
                3,
                "--imatrix",
                matrix);
        assertThat(matrix).hasSameBinaryContentAs(kept);
        for (String type : List.of("iq2_s", "q4_0")) {
            assertThat(Path.of(together.toString().replace("{ftype}", type)))
                    .hasSameBinaryContentAs(Path.of(apart.toString().replace("{ftype}", type)));
        }
        Path wide = folder.resolve("wide.gguf");
        assertThat(Cli.run("convert", MODEL, "-t", "F32", "-o", wide).code()).isZero();
        Path one = folder.resolve("one.gguf");
        Path two = folder.resolve("two.gguf");
        assertThat(Cli.run("quantize", "--imatrix", matrix, wide, one, "Q3_K_S").code())
                .isZero();
        Cli.Run run = Cli.run(
                "quantize",
                "--force",
                "--calibrate",
                TEXT,
                "--calibrate-ctx",
                CONTEXT,
                "--calibrate-chunks",
                3,
                "--imatrix",
                matrix,
                wide,
                two,
                "Q3_K_S");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(two).hasSameBinaryContentAs(one);
    }

    private Path convert(String name, Object... more) {
        Path out = folder.resolve(name);
        List<Object> arguments = new ArrayList<>(List.of("convert", MODEL, "-t", "IQ2_S,Q4_0", "-o", out));
        arguments.addAll(List.of(more));
        Cli.Run run = Cli.run(arguments.toArray());
        assertThat(run.code()).as(run.err()).isZero();
        return out;
    }

    @Test
    void aMatrixThatIsNotKeptHasNoName() {
        Path out = folder.resolve("x.gguf");
        Cli.Run run = Cli.run(
                "convert",
                MODEL,
                "-t",
                "Q4_0",
                "-o",
                out,
                "--calibrate",
                TEXT,
                "--calibrate-ctx",
                CONTEXT,
                "--calibrate-chunks",
                2);
        assertThat(run.code()).as(run.err()).isZero();
        String keys = Cli.run("inspect", out, "--json").out();
        assertThat(keys).contains("quantize.imatrix.dataset").doesNotContain("quantize.imatrix.file");
    }

    /** The plan is the calibrated file's, and nothing is run or written. */
    @Test
    void aDryRunDoesNotCalibrate() throws IOException {
        Path matrix = folder.resolve("m.gguf");
        Object[] arguments = {
            "convert",
            MODEL,
            "-t",
            "IQ2_S",
            "-o",
            folder.resolve("x.gguf"),
            "--calibrate",
            TEXT,
            "--calibrate-ctx",
            CONTEXT,
            "--calibrate-chunks",
            2,
            "--imatrix",
            matrix,
            "--json"
        };
        Cli.Run dry = Cli.run(
                Stream.concat(Stream.of(arguments), Stream.of("--dry-run")).toArray());
        assertThat(dry.code()).as(dry.err()).isZero();
        assertThat(dry.err()).contains(TEXT + ": 2 chunks of " + CONTEXT + " tokens, not run");
        assertThat(folder).isEmptyDirectory();
        assertThat(Cli.run(arguments).code()).isZero();
        long size = Files.size(folder.resolve("x.gguf"));
        assertThat(JsonMapper.shared().readTree(dry.out()).findValuesAsString("bytes"))
                .contains(Long.toString(size));
    }

    /** A real process, ended by a real SIGINT while it gathers. */
    @Test
    void anInterruptedRunSavesWhatItHas() throws Exception {
        Path out = folder.resolve("interrupted.gguf");
        List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
        command.addAll(Cli.process("imatrix", "-m", MODEL, "-f", TEXT, "-c", CONTEXT, "-o", out, "-ofreq", 1000000)
                .command());
        command.add(3, "-Dquern.terminal=true");
        Process process = new ProcessBuilder(command).start();
        StringBuilder said = new StringBuilder();
        while (!said.toString().contains("window ")) {
            int c = process.getErrorStream().read();
            assertThat(c).as(said.toString()).isNotNegative();
            said.append((char) c);
        }
        assertThat(out).doesNotExist();
        new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(1);
        assertThat(printed).containsPattern("PPL = [0-9.]+ \\+/- [0-9.]+ \\(interrupted: [0-9]+ of 970 windows\\)");
        long chunks = read(out).chunks();
        assertThat(chunks).isPositive().isLessThan(970);
        assertThat(printed).contains("interrupted: " + chunks + " of");
        // The rest can be gathered later; a few windows of it show that it goes on.
        imatrix(out, "--chunks", chunks + 3, "--resume");
        Path whole = folder.resolve("whole.gguf");
        imatrix(whole, "--chunks", chunks + 3);
        assertClose(read(out), read(whole));
    }
}
