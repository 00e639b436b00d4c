package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.io.Region;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --method} on the bundled model, as a user gives it. */
class CompensatedCommandTest {
    private static final String MODEL = "test-data/models/tolstoy-4m";
    private static final String TEXT = "test-data/text/calibration.txt";
    private static final Pattern STOPPED =
            Pattern.compile("goes on where an interrupted run stopped: ([1-9]\\d*) of ([1-9]\\d*) tensors are there");

    @TempDir
    Path folder;

    private static Object[] convert(Path out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("convert", MODEL, "-t", "Q4_0", "-o", out));
        arguments.addAll(List.of(more));
        return arguments.toArray();
    }

    private static Object[] compensated(Path out, Object... more) {
        List<Object> arguments =
                new ArrayList<>(List.of("--calibrate", TEXT, "--calibrate-ctx", 64, "--calibrate-chunks", 32));
        arguments.addAll(List.of(more));
        if (!arguments.contains("--method")) {
            arguments.addAll(List.of("--method", "compensated"));
        }
        return convert(out, arguments.toArray());
    }

    private static Cli.Run done(Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.code()).as(run.err()).isZero();
        return run;
    }

    private static void refused(int code, String message, Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.err().lines()).anyMatch(line -> line.startsWith("error: " + message));
        assertThat(run.code()).isEqualTo(code);
    }

    private static List<String> list(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /** The same map, the same size and the same norms; the libraries load the file; these tensors' blocks differ. */
    private static void onlyCodesDiffer(Path ours, Path theirs, String... tensors) throws IOException {
        assertThat(Files.size(ours)).isEqualTo(Files.size(theirs));
        try (GgufFile found = GgufFile.open(ours);
                GgufFile expected = GgufFile.open(theirs);
                LlamaModel loaded = LlamaCpp.load(ours)) {
            assertThat(found.tensors()).isEqualTo(expected.tensors());
            assertThat(loaded.vocabularySize()).isPositive();
            byte[] same = found.region("blk.0.attn_norm.weight").bytes(0, 64);
            assertThat(same).isEqualTo(expected.region("blk.0.attn_norm.weight").bytes(0, 64));
            for (String name : tensors) {
                int bytes = Math.toIntExact(found.region(name).length());
                assertThat(found.region(name).bytes(0, bytes))
                        .isNotEqualTo(expected.region(name).bytes(0, bytes));
            }
        }
    }

    /** A process that is killed for good while it chooses; the same command then goes on, and gives the same bytes. */
    @Test
    void sameMapAndSizeAndAKilledRunIsGoneOnWith() throws Exception {
        Path theirs = folder.resolve("reference.gguf");
        done(compensated(theirs, "--method", "reference"));
        Path alone = Files.createDirectory(folder.resolve("whole"));
        Path ours = alone.resolve("a.gguf");
        Cli.Run whole = done(compensated(ours, "--threads", 1));
        assertThat(whole.err()).contains("tensors have codes chosen together").doesNotContain("goes on");
        assertThat(list(alone)).containsExactly("a.gguf");
        onlyCodesDiffer(ours, theirs, "blk.1.ffn_down.weight");

        Path directory = Files.createDirectory(folder.resolve("killed"));
        Path out = directory.resolve("a.gguf");
        Process process = Cli.process(compensated(out, "--threads", 2))
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("said").toFile())
                .start();
        while (process.isAlive() && !isBegun(directory)) {
            TimeUnit.MILLISECONDS.sleep(2);
        }
        process.destroyForcibly();
        assertThat(process.waitFor())
                .as(Files.readString(folder.resolve("said")))
                .isNotZero();
        assertThat(out).doesNotExist();
        assertThat(list(directory)).isNotEmpty();
        Cli.Run again = done(compensated(out, "--threads", 2));
        Matcher matcher = STOPPED.matcher(again.err());
        assertThat(matcher.find()).as(again.err()).isTrue();
        assertThat(Integer.parseInt(matcher.group(1))).isLessThan(Integer.parseInt(matcher.group(2)));
        assertThat(list(directory)).containsExactly("a.gguf");
        assertThat(out).hasSameBinaryContentAs(ours);
    }

    /** Whether some tensors' blocks are down in the journal. */
    private static boolean isBegun(Path directory) throws IOException {
        for (String name : list(directory)) {
            if (name.endsWith(".journal")
                    && Files.readString(directory.resolve(name))
                                    .lines()
                                    .filter(line -> line.contains("blocks "))
                                    .count()
                            > 4) {
                return true;
            }
        }
        return false;
    }

    private static void exchange(Path file, String one, String other) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        try (GgufFile gguf = GgufFile.open(file)) {
            Region first = gguf.region(one);
            Region second = gguf.region(other);
            byte[] kept = first.bytes(0, Math.toIntExact(first.length()));
            System.arraycopy(bytes, (int) second.offset(), bytes, (int) first.offset(), kept.length);
            System.arraycopy(kept, 0, bytes, (int) second.offset(), kept.length);
        }
        Files.write(file, bytes);
    }

    /** Points of grids are chosen together too, and such files are loaded and verified as all others. */
    @ParameterizedTest
    @ValueSource(strings = {"IQ2_XS", "IQ3_S"})
    void latticeTypes(String type) throws IOException {
        Object[] text = {"--calibrate", TEXT, "--calibrate-ctx", 64, "--calibrate-chunks", 32};
        Path theirs = folder.resolve("reference.gguf");
        List<Object> arguments = new ArrayList<>(List.of("convert", MODEL, "-t", type, "-o", theirs));
        arguments.addAll(List.of(text));
        done(arguments.toArray());
        Path ours = folder.resolve("compensated.gguf");
        arguments.set(arguments.indexOf(theirs), ours);
        arguments.addAll(List.of("--method", "compensated"));
        assertThat(done(arguments.toArray()).err())
                .contains("tensors have codes chosen together")
                .doesNotContain("does not know");
        onlyCodesDiffer(ours, theirs, "blk.0.attn_q.weight", "blk.1.ffn_gate.weight");
        Object[] verify = {"verify", ours, "--against", MODEL, "--method", "compensated"};
        done(verify);
        exchange(ours, "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight");
        Cli.Run exchanged = Cli.run(verify);
        assertThat(exchanged.code()).isEqualTo(4);
        assertThat(exchanged.out().lines())
                .filteredOn(line -> line.contains("too little for codes that were fitted"))
                .hasSize(2);
    }

    @Test
    void searchNeedsNoText() throws IOException {
        Path theirs = folder.resolve("reference.gguf");
        Path ours = folder.resolve("search.gguf");
        done(convert(theirs));
        done(convert(ours, "--method", "search", "--threads", 1));
        assertThat(Files.size(ours)).isEqualTo(Files.size(theirs));
        assertThat(Files.mismatch(ours, theirs)).isPositive();
        Path wide = folder.resolve("wide.gguf");
        Path quantized = folder.resolve("quantized.gguf");
        done("convert", MODEL, "-t", "F32", "-o", wide);
        done("quantize", "--method", "search", wide, quantized, "Q4_0");
        assertThat(quantized).hasSameBinaryContentAs(ours);
        Path named = folder.resolve("named.gguf");
        done(convert(named, "--method", "reference"));
        assertThat(named).hasSameBinaryContentAs(theirs);
    }

    @Test
    void whatItRefuses() throws IOException {
        Path out = folder.resolve("x.gguf");
        refused(
                2,
                MODEL + ": --method compensated fits codes to a text, and none is given",
                convert(out, "--method", "compensated"));
        refused(
                2,
                MODEL + ": --method compensated computes the whole model, and --prune-layers leaves layers out",
                compensated(out, "--prune-layers", "1"));
        Path tiny = Files.writeString(folder.resolve("tiny.txt"), "Once upon a time there was a miller. ".repeat(60));
        refused(
                3,
                tiny + ": is too short to fit codes to: expected at least 16 windows of 128 tokens, found ",
                convert(out, "--method", "compensated", "--calibrate", tiny, "--calibrate-ctx", 128));
        Cli.Run unknown = Cli.run(convert(out, "--method", "best"));
        assertThat(unknown.code()).isEqualTo(2);
        assertThat(unknown.err()).contains("expected reference, search or compensated, found 'best'");
        assertThat(list(folder)).containsExactly("tiny.txt");
    }
}
