package dev.quern.batch;

import dev.quern.io.FileIdentity;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Provenance.Digested;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * What the outputs of one source are made of.
 *
 * @param version Quern's
 * @param files the source's
 */
record SourceProvenance(Recipe recipe, RunRecord record, String version, List<Path> files) {
    /** @param matrix the importance matrix that the output is made with */
    Provenance of(Recipe.Output output, Optional<Path> matrix) {
        boolean used = matrix.isPresent() && StepDigests.takesCollected(output)
                || output.method() == Method.COMPENSATED
                || output.target().filter(target -> target.text().isEmpty()).isPresent();
        Optional<Recipe.Calibration> calibration = recipe.calibration().filter(wanted -> used);
        Optional<Path> tried = output.target().flatMap(Recipe.Target::text);
        SequencedMap<String, String> options = new LinkedHashMap<>();
        options.put("type", output.type().name());
        options.putAll(output.options());
        calibration.ifPresent(wanted -> {
            options.put("calibrate_context", "" + wanted.context());
            if (wanted.chunks() < Integer.MAX_VALUE) {
                options.put("calibrate_chunks", "" + wanted.chunks());
            }
        });
        return new Provenance(
                version,
                Stream.concat(files.stream(), tried.stream())
                        .map(this::digested)
                        .sorted(Digested.ORDER)
                        .distinct()
                        .toList(),
                options,
                matrix.map(this::digested),
                calibration.map(wanted -> digested(wanted.text())));
    }

    /** As the record knows it; for a plan, what is not there yet stands for itself: sizes are the same. */
    private Digested digested(Path file) {
        String name = String.valueOf(file.getFileName());
        return Files.exists(file)
                ? new Digested(name, FileIdentity.of(file).size(), record.sha256(file))
                : new Digested(name, 0, "0".repeat(64));
    }

    /** The importance matrix that an output of a source is made with, there or not. */
    static Optional<Path> matrix(Recipe recipe, Recipe.Input input, Recipe.Output output) {
        return StepDigests.takesCollected(output)
                ? recipe.calibration().map(calibration -> recipe.collected(input))
                : output.importance();
    }
}
