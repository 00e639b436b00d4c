package dev.quern.batch;

import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.io.InputException;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.CompensatedConversion;
import dev.quern.pipeline.CompensatedPlan;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.ImportanceKeys;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The step of a source that makes what is not there yet, all of it in one pass, and measures each tensor's error. */
final class SourceConversion {
    private final SourceWork work;
    private final StepLog log;
    private final OutputResults results;
    private final SourceProvenance provenance;

    SourceConversion(SourceWork work, StepLog log, OutputResults results, SourceProvenance provenance) {
        this.work = work;
        this.log = log;
        this.results = results;
        this.provenance = provenance;
    }

    private record Planned(
            Recipe.Output output,
            OutputPlan plan,
            Path target,
            String digest,
            Optional<Path> matrixFile,
            @Nullable String matrix,
            RunReport.@Nullable Allocation allocation) {}

    /**
     * @param sourceDigest of the source's files
     * @param collected the importance matrix of the recipe's calibration text, if there is one
     */
    void run(Source source, String sourceDigest, Optional<Path> collected) {
        List<Planned> stale = new ArrayList<>();
        Map<String, Planned> all = new LinkedHashMap<>();
        for (Recipe.Output output : work.outputs()) {
            Optional<Path> matrix = StepDigests.takesCollected(output) ? collected : output.importance();
            if (StepDigests.takesCollected(output)
                    && work.recipe().calibration().isPresent()
                    && collected.isEmpty()) {
                continue; // Its importance matrix could not be made, which has been said.
            }
            log.result("convert " + output.name(), () -> plan(source, sourceDigest, output, matrix))
                    .ifPresentOrElse(
                            planned -> {
                                all.put(output.name(), planned);
                                Optional<RunReport.OutputResult> known =
                                        work.options().force()
                                                ? Optional.empty()
                                                : work.record().output(planned.target(), planned.digest());
                                known.ifPresentOrElse(
                                        result -> results.put(output, result.with(Status.UP_TO_DATE)),
                                        () -> stale.add(planned));
                            },
                            () -> results.missing(output, log.last()));
        }
        stale.removeIf(planned ->
                !log.attempt("convert " + planned.output().name(), () -> work.refuseForeign(planned.target())));
        if (!stale.isEmpty()) {
            write(source, stale);
        } else if (!all.isEmpty()) {
            log.done("convert", Status.UP_TO_DATE, 0);
        }
        if (work.recipe().evaluation().map(Recipe.Evaluation::tensorErrors).orElse(false)) {
            all.values().forEach(this::compareTensors);
        }
    }

    private Planned plan(Source source, String sourceDigest, Recipe.Output output, Optional<Path> matrixFile) {
        String matrixHash = matrixFile.map(work.record()::sha256).orElse(null);
        boolean direct = source.general().isPresent()
                && output.plain()
                && matrixHash == null
                && CheckpointTypes.isDirect(output.type());
        boolean keys = work.recipe().statements().provenance();
        Optional<Provenance> said = keys ? Optional.of(provenance.of(output, matrixFile)) : Optional.empty();
        Function<OutputPlan, OutputPlan> complete =
                plan -> said.map(made -> made.into(plan)).orElse(plan);
        String digest = StepDigests.convert(
                work.options().version(),
                sourceDigest,
                output,
                matrixHash,
                keys,
                StepDigests.texts(work.record(), work.recipe(), output));
        Path target = work.target(output);
        if (direct) {
            OutputPlan plan = complete.apply(CheckpointTypes.plan(source, output.type()));
            return new Planned(output, plan, target, digest, matrixFile, matrixHash, null);
        }
        Function<QuantizationOptions, OutputPlan> plans =
                options -> complete.apply(Quantization.plan(source, output.type(), options));
        QuantizationOptions options = quantization(output, matrixFile);
        if (output.target().isEmpty()) {
            return new Planned(output, plans.apply(options), target, digest, matrixFile, matrixHash, null);
        }
        SourceTypes types = new SourceTypes(work, log);
        SourceTypes.Found found = types.find(source, output, digest, options, plans);
        OutputPlan plan = plans.apply(found.options());
        types.save(output, plan, digest);
        return new Planned(output, plan, target, digest, matrixFile, matrixHash, found.allocation());
    }

    /** @param matrixFile an importance matrix that is there */
    static QuantizationOptions quantization(Recipe.Output output, Optional<Path> matrixFile) {
        LinkedHashMap<String, GgufValue> keys = new LinkedHashMap<>();
        Optional<ImportanceMatrix> matrix = matrixFile.map(ImportanceReader::read);
        // The name alone: the same files in another directory give the same bytes.
        matrix.ifPresent(read ->
                keys.putAll(ImportanceKeys.of(matrixFile.map(file -> String.valueOf(file.getFileName())), read)));
        return new QuantizationOptions(
                output.mix(), output.allowRequantize(), matrix, keys, output.prunedLayers(), output.method(), false);
    }

    private void write(Source source, List<Planned> stale) {
        List<Conversion.Output> conversions = stale.stream()
                .map(planned -> new Conversion.Output(planned.plan(), planned.target()))
                .toList();
        ChosenCodes chosen = new ChosenCodes(work);
        long begun = System.nanoTime();
        try {
            source.checksums().run();
            List<Path> others = new ArrayList<>(SourceFiles.of(source));
            stale.forEach(planned -> planned.matrixFile().ifPresent(others::add));
            others.addAll(work.recipe().texts());
            stale.forEach(planned -> planned.output()
                    .method()
                    .idle(planned.plan())
                    .ifPresent(idle -> work.say(planned.output().name() + ": " + idle)));
            // The digests stand for all that decides values: a run goes on only with what the same ones began.
            String how = String.join(" ", stale.stream().map(Planned::digest).toList());
            Conversion.Options options = new Conversion.Options(
                            work.threads(), work.options().kernel(), true, false, work.progress("values"))
                    .with(Conversion.Resume.LARGE, work.options().version(), work.listener()::say);
            if (stale.stream().anyMatch(SourceConversion::isTogether)) {
                together(source, stale, conversions, Inputs.of(source.model(), others, how), options, chosen);
            } else {
                Conversion.run(conversions, Inputs.of(source.model(), others, how), options);
            }
        } catch (InputException e) {
            stale.forEach(planned -> results.missing(planned.output(), Status.REFUSED));
            throw e;
        } catch (RuntimeException e) {
            stale.forEach(planned -> results.missing(planned.output(), Status.FAILED));
            throw e;
        }
        double seconds = SourceWork.secondsSince(begun);
        for (Planned planned : stale) {
            Path target = planned.target();
            OutputPlan plan = planned.plan();
            RunReport.OutputResult result = new RunReport.OutputResult(
                    planned.output().name(),
                    planned.output().type().name(),
                    Status.DONE,
                    planned.output().options(),
                    new RunReport.FileIdentity(
                            String.valueOf(target.getFileName()),
                            plan.layout().fileSize(),
                            work.record().sha256(target)),
                    planned.matrix(),
                    plan.bitsPerWeight(),
                    seconds,
                    mix(plan),
                    planned.allocation(),
                    chosen.gains(target),
                    List.of(),
                    List.of(),
                    List.of());
            results.put(planned.output(), result);
            work.record().put(target, new RunRecord.Made(planned.digest(), result));
        }
        work.record().save();
        log.done("convert", Status.DONE, seconds);
        work.say(String.format(
                Locale.ROOT,
                "%s, %.1f s",
                String.join(", ", stale.stream().map(p -> p.output().name()).toList()),
                seconds));
        source.runners().ifPresent(line -> work.say("note: " + line));
    }

    private static boolean isTogether(Planned planned) {
        return planned.output().method() == Method.COMPENSATED;
    }

    /** Codes are fitted to the calibration text before anything is written. */
    private void together(
            Source source,
            List<Planned> stale,
            List<Conversion.Output> conversions,
            Inputs inputs,
            Conversion.Options options,
            ChosenCodes chosen) {
        Recipe.Calibration calibration = work.recipe().calibration().orElseThrow();
        EvaluatedModel model = EvaluatedModel.of(source);
        Text text = Text.read(calibration.text());
        Windows windows = model.windows(text, calibration.context(), calibration.chunks());
        Set<Path> targets = stale.stream()
                .filter(SourceConversion::isTogether)
                .map(Planned::target)
                .collect(Collectors.toSet());
        CompensatedConversion.run(
                model,
                windows,
                conversions,
                output -> targets.contains(output.target()),
                inputs,
                options,
                CompensatedPlan.Room.USUAL,
                chosen);
    }

    private static List<RunReport.TypeShare> mix(OutputPlan plan) {
        Map<String, RunReport.TypeShare> shares = new TreeMap<>();
        plan.tensors()
                .forEach(tensor -> shares.merge(
                        tensor.type().name(),
                        new RunReport.TypeShare(
                                tensor.type().name(), 1, tensor.shape().elements(), tensor.bytes()),
                        (a, b) -> new RunReport.TypeShare(
                                a.type(),
                                a.tensors() + b.tensors(),
                                a.parameters() + b.parameters(),
                                a.bytes() + b.bytes())));
        return List.copyOf(shares.values());
    }

    private void compareTensors(Planned planned) {
        RunReport.OutputResult result = results.of(planned.output());
        if (result.file() == null || !result.tensorErrors().isEmpty()) {
            return;
        }
        log.attempt("tensors " + planned.output().name(), () -> {
            try (Source written = Source.open(planned.target())) {
                List<RunReport.TensorError> errors =
                        TensorErrors.measure(planned.plan(), written.model(), work.threads(), work.progress("values"));
                RunReport.OutputResult complete = result.withErrors(errors);
                results.put(planned.output(), complete);
                work.record().put(planned.target(), new RunRecord.Made(planned.digest(), complete));
                work.record().save();
            }
        });
    }
}
