package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.io.FileOperations;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** A model of half a megabyte whose outputs take several tiles and checkpoints, and the runs that make them. */
final class SmallRun {
    static final String TOOL = "0.0 (commit test)";
    static final byte[] OLD = "the old file".getBytes(StandardCharsets.US_ASCII);

    /** What is made in one run. */
    enum Outputs {
        ONE,
        TYPES,
        PARTS;

        List<Conversion.Output> plan(Source source, Path directory) {
            Path target = directory.resolve("model.gguf");
            OutputPlan first = Quantization.plan(source, FileType.Q8_0, QuantizationOptions.NONE);
            return switch (this) {
                case ONE -> List.of(new Conversion.Output(first, target));
                case TYPES ->
                    List.of(
                            new Conversion.Output(first, target),
                            new Conversion.Output(
                                    Quantization.plan(source, FileType.Q4_0, QuantizationOptions.NONE),
                                    directory.resolve("small.gguf")));
                case PARTS -> Split.outputs(new Split(5, 0, false).parts(first), target);
            };
        }
    }

    final Path source;
    private final Outputs outputs;
    private final TreeMap<String, byte[]> expected = new TreeMap<>();

    /** Writes the model, and makes the outputs once with nothing in the way. */
    SmallRun(Path folder, Outputs outputs) throws IOException {
        this.outputs = outputs;
        this.source = source(folder.resolve("source.gguf"));
        Path undisturbed = Files.createDirectory(folder.resolve("undisturbed"));
        Conversion.Options options = new Conversion.Options(2, Kernel.SCALAR, false, false, Progress.SILENT);
        try (Source opened = Source.open(source)) {
            for (Conversion.Written written :
                    Conversion.run(outputs.plan(opened, undisturbed), inputs(opened), options)) {
                expected.put(written.file().getFileName().toString(), Files.readAllBytes(written.file()));
            }
        }
    }

    static Path source(Path file) throws IOException {
        return Fabricated.llama(1, 4, 4)
                .tensor("token_embd.weight", QuantType.F16, 1400, Fabricated.WIDTH)
                // Twenty bytes, and twelve behind them that belong to no tensor.
                .tensor("rope_freqs.weight", QuantType.F32, 5)
                .write(file);
    }

    static Inputs inputs(Source opened) {
        return Inputs.of(opened.model(), List.of(), "");
    }

    static Conversion.Options options(FileOperations operations, boolean overwrite, Consumer<String> notices) {
        return new Conversion.Options(2, Kernel.SCALAR, overwrite, false, Progress.SILENT)
                .with(operations)
                .with(Conversion.Resume.ALWAYS, TOOL, notices);
    }

    void run(Path directory, Conversion.Options options) {
        try (Source opened = Source.open(source)) {
            Conversion.run(outputs.plan(opened, directory), inputs(opened), options);
        }
    }

    byte[] expected(String name) {
        return Objects.requireNonNull(expected.get(name), name);
    }

    /** Old files under all final names. */
    void putOld(Path directory) throws IOException {
        for (String name : expected.keySet()) {
            Files.write(directory.resolve(name), OLD);
        }
    }

    /** Nothing but the outputs, and those as they are undisturbed. */
    void assertComplete(Path directory) throws IOException {
        assertThat(list(directory)).containsExactlyElementsOf(expected.keySet());
        for (String name : expected.keySet()) {
            assertThat(directory.resolve(name)).hasBinaryContent(expected.get(name));
        }
    }

    /** Whether all outputs are in place and whole. */
    boolean isPublished(Path directory) throws IOException {
        for (String name : expected.keySet()) {
            Path file = directory.resolve(name);
            if (!Files.exists(file) || !Arrays.equals(Files.readAllBytes(file), expected.get(name))) {
                return false;
            }
        }
        return true;
    }

    /**
     * What holds after any end: each output is absent, old, or whole; of a split model the new first part is there only
     * with all others, and an old one never among new ones; temporaries have no GGUF's beginning unless they are whole,
     * and none is without its journal.
     *
     * @param cut whether the power was cut: then a file may be there without what belongs to it
     */
    void assertNothingHalf(Path directory, boolean old, boolean cut) throws IOException {
        List<String> names = list(directory);
        List<String> fresh = new ArrayList<>();
        for (String name : names) {
            byte[] bytes = Files.readAllBytes(directory.resolve(name));
            if (expected.containsKey(name)) {
                if (Arrays.equals(bytes, expected.get(name))) {
                    fresh.add(name);
                } else {
                    assertThat(old).as(name + " is neither absent nor whole").isTrue();
                    assertThat(bytes).as(name).isEqualTo(OLD);
                }
            } else if (name.endsWith(".partial")) {
                if (!cut) {
                    assertThat(names).contains(name.replaceAll("partial$", "journal"));
                    if (bytes.length > 4 && new String(bytes, 0, 4, StandardCharsets.US_ASCII).equals("GGUF")) {
                        String of = name.replaceAll("^\\.|\\.[0-9a-f]{16}\\.partial$", "");
                        assertThat(bytes).as(name).isEqualTo(expected.get(of));
                    }
                }
            } else {
                assertThat(name).matches("\\..*\\.[0-9a-f]{16}\\.journal");
            }
        }
        if (outputs == Outputs.PARTS && !fresh.isEmpty()) {
            String first = expected.firstKey();
            assertThat(!names.contains(first) || fresh.size() == expected.size())
                    .as("parts %s of %s", fresh, names)
                    .isTrue();
        }
    }

    static List<String> list(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
