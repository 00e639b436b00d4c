package dev.quern.batch;

import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.importance.ActivationSums;
import dev.quern.io.InputException;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.PlannedImportance;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.pipeline.TypeSearch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;

/**
 * What a run would do for one output of a source, found out without writing anything.
 *
 * @param record of earlier runs
 * @param force whether everything is done again
 * @param version Quern's
 */
record OutputOutlook(
        Recipe recipe,
        RunRecord record,
        Source source,
        Recipe.Input input,
        Recipe.Output output,
        boolean force,
        String version) {

    /** @param note what is to be said of the size; nothing where it is sure */
    private record Sized(long bytes, String note) {}

    BatchPlan.Line line() {
        try {
            Sized sized = output.target().isPresent() ? wanted() : new Sized(bytes(options()), "");
            return because()
                    .map(because -> line("convert", sized.bytes(), because + sized.note()))
                    .orElseGet(() -> line("up to date", sized.bytes(), "nothing changed"));
        } catch (InputException | RefusedException e) {
            return line("refused", 0, String.valueOf(e.getMessage()));
        }
    }

    private BatchPlan.Line line(String action, long bytes, String because) {
        return new BatchPlan.Line(input.name(), output.name(), action, bytes, because);
    }

    private Path target() {
        return recipe.target(input, output);
    }

    /** The importance matrix that it is made with, there or not. */
    private Optional<Path> matrix() {
        return SourceProvenance.matrix(recipe, input, output);
    }

    private Function<QuantizationOptions, OutputPlan> plans() {
        Optional<Provenance> said = recipe.statements().provenance()
                ? Optional.of(
                        new SourceProvenance(recipe, record, version, SourceFiles.of(source)).of(output, matrix()))
                : Optional.empty();
        return options -> {
            OutputPlan plan = Quantization.plan(source, output.type(), options);
            return said.map(made -> made.into(plan)).orElse(plan);
        };
    }

    private long bytes(QuantizationOptions options) {
        return plans().apply(options).layout().fileSize();
    }

    /** Of an output whose types are found for a size. */
    private Sized wanted() {
        Optional<RunRecord.Decided> known = force ? Optional.empty() : digest().flatMap(this::decided);
        if (known.isPresent()) {
            QuantizationOptions options =
                    SourceTypes.with(options(), known.get().allocation());
            return new Sized(bytes(options), "; its types have been found");
        }
        TypeSearch search = SourceTypes.search(recipe, source, output, weighted(), plans());
        return new Sized(
                search.allocation().wantedFileBytes(),
                "; " + search.planned() + ", sizes " + search.possible() + " are possible");
    }

    private Optional<RunRecord.Decided> decided(String digest) {
        return record.decided(target(), digest);
    }

    /** As it will be written where its importance matrix is there; otherwise with nearly the same size. */
    private QuantizationOptions options() {
        Optional<Path> there = matrix().filter(Files::exists);
        return there.isPresent() ? SourceConversion.quantization(output, there) : StepDigests.sizes(output);
    }

    /** With the importance matrix, or what stands for it: it decides which types can be tried. */
    private QuantizationOptions weighted() {
        QuantizationOptions options = options();
        Optional<Path> matrix = matrix();
        if (matrix.isEmpty() || options.importance().isPresent()) {
            return options;
        }
        if (!StepDigests.takesCollected(output)) {
            throw InputException.of(matrix.get(), "cannot be read: no such file");
        }
        Recipe.Calibration calibration = recipe.calibration().orElseThrow();
        EvaluatedModel model = EvaluatedModel.of(source);
        Text text = Text.read(calibration.text());
        ActivationSums sums = new ActivationSums(calibration.context());
        Windows windows = model.windows(text, calibration.context(), calibration.chunks());
        PlannedImportance.add(source, (long) windows.count() * windows.length(), sums);
        return options.with(sums.matrix());
    }

    /** Empty while the importance matrix is not there. */
    private Optional<String> digest() {
        Optional<Path> matrix = matrix();
        if (matrix.isPresent() && !Files.exists(matrix.get())) {
            return Optional.empty();
        }
        return Optional.of(StepDigests.convert(
                version,
                StepDigests.source(record, source),
                output,
                matrix.map(record::sha256).orElse(null),
                recipe.statements().provenance(),
                StepDigests.texts(record, recipe, output)));
    }

    /** Why it is to be made; empty when it is up to date. */
    private Optional<String> because() {
        if (force) {
            return Optional.of("--force");
        }
        if (!record.isOwn(target())) {
            return Optional.of(Files.exists(target()) ? "is in the way: no earlier run made it" : "not made yet");
        }
        if (!Files.exists(target())) {
            return Optional.of("its file is gone");
        }
        Optional<String> digest = digest();
        if (digest.isEmpty()) {
            return Optional.of("its importance matrix is gone");
        }
        return record.output(target(), digest.get()).isPresent()
                ? Optional.empty()
                : Optional.of("source, options, version or file changed");
    }
}
