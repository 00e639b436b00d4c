package dev.quern.batch;

import dev.quern.evaluation.Text;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.TensorTypeFile;
import dev.quern.pipeline.TypeAllocation;
import dev.quern.pipeline.TypeSearch;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import dev.quern.report.AllocationReport;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** The step of a source that finds the types of an output for its size, unless an earlier run has found them. */
record SourceTypes(SourceWork work, StepLog log) {
    /** @param options with the types in them, behind what the recipe says */
    record Found(QuantizationOptions options, RunReport.Allocation allocation) {}

    /**
     * @param output one that has a target
     * @param digest of all that decides the output
     * @param plans makes the output as it will be written
     * @throws dev.quern.io.RefusedException when the target cannot be reached
     */
    Found find(
            Source source,
            Recipe.Output output,
            String digest,
            QuantizationOptions options,
            Function<QuantizationOptions, OutputPlan> plans) {
        Path target = work.target(output);
        Optional<RunRecord.Decided> known =
                work.options().force() ? Optional.empty() : work.record().decided(target, digest);
        if (known.isPresent()) {
            log.done("types " + output.name(), Status.UP_TO_DATE, known.get().seconds());
            return new Found(
                    with(options, known.get().allocation()), known.get().allocation());
        }
        // Before what takes long.
        work.refuseForeign(target);
        if (isSaved(output)) {
            work.refuseForeign(work.recipe().types(work.input(), output));
        }
        long begun = System.nanoTime();
        TypeAllocation.Result result = search(work.recipe(), source, output, options, plans)
                .run(work.options().kernel(), work.threads(), work.progress("tensors"), work::say);
        RunReport.Allocation allocation =
                AllocationReport.of(result, output.target().orElseThrow().asked());
        double seconds = SourceWork.secondsSince(begun);
        // Kept at once: what follows can take hours, and be interrupted.
        work.record().put(target, new RunRecord.Decided(digest, seconds, allocation));
        work.record().save();
        log.done("types " + output.name(), Status.DONE, seconds);
        work.say(String.format(
                Locale.ROOT,
                "%s: types found for %s, predicted KLD %.3e",
                output.name(),
                allocation.target(),
                allocation.kld()));
        return new Found(with(options, allocation), allocation);
    }

    /** What is going to be tried for an output that has a target. */
    static TypeSearch search(
            Recipe recipe,
            Source source,
            Recipe.Output output,
            QuantizationOptions options,
            Function<QuantizationOptions, OutputPlan> plans) {
        Recipe.Target target = output.target().orElseThrow();
        return TypeSearch.of(
                source,
                output.type(),
                options,
                target.size(),
                given -> List.of(plans.apply(given)),
                Text.read(recipe.influenceText(output).orElseThrow()),
                recipe.influenceContext(),
                target.asked());
    }

    /** Options in which tensors have the types that were found for them. */
    static QuantizationOptions with(QuantizationOptions options, RunReport.Allocation allocation) {
        List<MixOptions.TypeOverride> types = allocation.tensors().stream()
                .map(tensor -> TypeAllocation.override(
                        tensor.name(),
                        QuantType.fromName(tensor.type())
                                .orElseThrow(() -> new IllegalStateException("no type " + tensor.type())),
                        tensor.because()))
                .toList();
        return options.with(options.mix().with(types));
    }

    /** The types for {@code --tensor-type-file}, where the recipe wants them. */
    void save(Recipe.Output output, OutputPlan plan, String digest) {
        if (!isSaved(output)) {
            return;
        }
        Path file = work.recipe().types(work.input(), output);
        work.refuseForeign(file);
        byte[] bytes = TensorTypeFile.text(file, List.of(plan)).getBytes(StandardCharsets.UTF_8);
        if (!isThere(file, bytes)) {
            RunRecord.write(file, bytes);
        }
        work.record().put(file, new RunRecord.Collected(digest, 0));
        work.record().save();
    }

    private static boolean isSaved(Recipe.Output output) {
        return output.target().map(Recipe.Target::saved).orElse(false);
    }

    private static boolean isThere(Path file, byte[] bytes) {
        try {
            return Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), bytes);
        } catch (IOException e) {
            // What cannot be read back is written anew, and that says what is wrong.
            return false;
        }
    }
}
