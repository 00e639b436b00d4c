package dev.quern.batch;

import dev.quern.pipeline.Method;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What each step's result depends on, in a digest: when it is the same, the step need not be done again. */
final class StepDigests {
    private StepDigests() {}

    /** Names and contents of a source's files, wherever they lie. */
    static String source(RunRecord record, Source source) {
        TreeSet<String> lines = new TreeSet<>();
        for (Path file : SourceFiles.of(source)) {
            lines.add(file.getFileName() + " " + record.sha256(file));
        }
        return Digests.of(lines);
    }

    /**
     * @param matrix SHA-256 of the importance matrix, or null
     * @param keys whether the output says what it was made of
     * @param texts what codes are fitted to, and what types are tried on
     */
    static String convert(
            String version,
            String source,
            Recipe.Output output,
            @Nullable String matrix,
            boolean keys,
            List<String> texts) {
        List<String> parts = new ArrayList<>(List.of(
                "convert",
                version,
                source,
                output.type().name(),
                output.options().toString(),
                String.valueOf(matrix),
                "provenance " + keys));
        parts.addAll(texts);
        return Digests.of(parts);
    }

    /** Texts that decide bytes like an importance matrix: that which codes are fitted to, and that which types are tried on. */
    static List<String> texts(RunRecord record, Recipe recipe, Recipe.Output output) {
        List<String> texts = new ArrayList<>();
        if (output.method() == Method.COMPENSATED) {
            recipe.calibration()
                    .map(text -> record.sha256(text.text()) + " " + text.context() + " " + text.chunks())
                    .ifPresent(texts::add);
        }
        recipe.influenceText(output)
                .map(text -> "types " + record.sha256(text) + " " + recipe.influenceContext())
                .ifPresent(texts::add);
        return texts;
    }

    static String calibrate(String version, String source, String text, int context, int chunks) {
        return Digests.of(List.of("calibrate", version, source, text, "" + context, "" + chunks));
    }

    /** @param base digest of what the output is compared with */
    static String compare(String version, String base, String output, String text, int context, int chunks) {
        return Digests.of(List.of("compare", version, base, output, text, "" + context, "" + chunks));
    }

    /** Whether the matrix that the recipe collects is for this output: float types have no error to be weighed. */
    static boolean takesCollected(Recipe.Output output) {
        return output.calibrate()
                && output.importance().isEmpty()
                && output.type().base().blockLength() > 1;
    }

    /** For a plan to measure by, for which no importance matrix need be there. */
    static QuantizationOptions sizes(Recipe.Output output) {
        return new QuantizationOptions(
                output.mix(),
                output.allowRequantize(),
                Optional.empty(),
                new java.util.LinkedHashMap<>(),
                output.prunedLayers(),
                true);
    }
}
