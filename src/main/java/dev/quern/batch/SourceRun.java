package dev.quern.batch;

import dev.quern.evaluation.Calibration;
import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.importance.ImportanceWriter;
import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.ImportanceKeys;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One source of a run: opened, calibrated, converted to what is not there yet, compared, judged. */
final class SourceRun {
    private final Recipe recipe;
    private final Recipe.Input input;
    private final List<Recipe.Output> outputs;
    private final RunRecord record;
    private final Batch.Options options;
    private final Batch.Listener listener;
    private final int threads;

    private final List<RunReport.Step> steps = new ArrayList<>();
    private final Map<String, RunReport.OutputResult> results = new LinkedHashMap<>();
    private final Map<String, List<RunReport.Measurement>> measurements = new LinkedHashMap<>();
    private List<RunReport.FileIdentity> files = List.of();
    private String sourceDigest = "";
    private Status status = Status.UP_TO_DATE;
    private @Nullable String kind;
    private @Nullable String architecture;
    private long parameters;
    private @Nullable String message;
    private @Nullable String hint;

    SourceRun(
            Recipe recipe,
            Recipe.Input input,
            List<Recipe.Output> outputs,
            RunRecord record,
            Batch.Options options,
            Batch.Listener listener,
            int threads) {
        this.recipe = recipe;
        this.input = input;
        this.outputs = outputs;
        this.record = record;
        this.options = options;
        this.listener = listener;
        this.threads = threads;
    }

    /** @return what was done; failures are part of it, except errors of the JVM */
    RunReport.SourceResult run(GateJudge judge) {
        for (Recipe.Output output : outputs) {
            results.put(output.name(), nothing(output, Status.NOT_RUN));
        }
        attempt("open", () -> {
            try (Source source = open()) {
                work(source);
            }
            return null;
        });
        if (status == Status.REFUSED || status == Status.FAILED) {
            results.replaceAll((name, result) -> result.status() == Status.NOT_RUN ? result.with(status) : result);
        }
        List<RunReport.OutputResult> judged = new ArrayList<>();
        for (Recipe.Output output : outputs) {
            RunReport.OutputResult result = java.util.Objects.requireNonNull(results.get(output.name()));
            List<RunReport.Measurement> measured = measurements.getOrDefault(output.name(), List.of());
            judged.add(result.with(measured, judge.judge(input.name(), output.name(), result, measured)));
        }
        return new RunReport.SourceResult(
                input.name(),
                input.path().toString(),
                status,
                message,
                hint,
                kind,
                architecture,
                parameters,
                files,
                steps,
                judged);
    }

    /** A source that was not reached. */
    static RunReport.SourceResult notRun(Recipe.Input input, List<Recipe.Output> outputs, GateJudge judge) {
        List<RunReport.OutputResult> results = outputs.stream()
                .map(output -> nothing(output, Status.NOT_RUN))
                .map(result -> result.with(List.of(), judge.judge(input.name(), result.name(), result, List.of())))
                .toList();
        return new RunReport.SourceResult(
                input.name(),
                input.path().toString(),
                Status.NOT_RUN,
                null,
                null,
                null,
                null,
                0,
                List.of(),
                List.of(),
                results);
    }

    private static RunReport.OutputResult nothing(Recipe.Output output, Status status) {
        return new RunReport.OutputResult(
                output.name(),
                output.type().name(),
                status,
                output.options(),
                null,
                null,
                0,
                0,
                List.of(),
                List.of(),
                List.of(),
                List.of());
    }

    private Source open() {
        return Source.open(
                input.path(),
                new Source.Options(null, null, List.of(), notice -> listener.say(input.name() + ": " + notice)));
    }

    private void work(Source source) {
        kind = source.kind();
        architecture = source.model().metadata().architecture();
        parameters = source.model().tensors().sources().stream()
                .mapToLong(tensor -> tensor.info().shape().elements())
                .sum();
        files = SourceFiles.of(source).stream()
                .map(file ->
                        new RunReport.FileIdentity(String.valueOf(file.getFileName()), size(file), record.sha256(file)))
                .toList();
        sourceDigest = StepDigests.source(record, source);
        record.save();
        Optional<Path> collected = attempt("calibrate", () -> calibrate(source)).orElse(Optional.empty());
        attempt("convert", () -> {
            convert(source, collected);
            return null;
        });
        attempt("compare", () -> {
            evaluate(source);
            return null;
        });
    }

    /** Runs a step; a failure is noted, and later steps do what can be done without it. */
    private <T> Optional<T> attempt(String step, Supplier<@Nullable T> work) {
        try {
            return Optional.ofNullable(work.get());
        } catch (InputException e) {
            failed(step, Status.REFUSED, String.valueOf(e.getMessage()), e.hint());
        } catch (RefusedException e) {
            failed(step, Status.FAILED, String.valueOf(e.getMessage()), e.hint());
        } catch (OutputException e) {
            failed(step, Status.FAILED, String.valueOf(e.getMessage()), null);
        } catch (RuntimeException e) {
            listener.trace(e);
            failed(step, Status.FAILED, "internal error: " + e, "please report this with the trace");
        }
        return Optional.empty();
    }

    private void failed(String step, Status how, String problem, @Nullable String advice) {
        listener.say("error: " + input.name() + ": " + problem);
        if (message == null) {
            message = problem;
            hint = advice;
        }
        steps.add(new RunReport.Step(step, how, 0, problem));
        worsen(how);
    }

    private void worsen(Status how) {
        if (how == Status.FAILED || (how == Status.REFUSED && status != Status.FAILED)) {
            status = how;
        } else if (how == Status.DONE && status == Status.UP_TO_DATE) {
            status = how;
        }
    }

    private void done(String step, Status how, double seconds) {
        steps.add(new RunReport.Step(step, how, seconds, null));
        worsen(how);
    }

    // ---- calibration

    /** The importance matrix of the recipe's calibration text, collected unless it is there. */
    private Optional<Path> calibrate(Source source) {
        Recipe.Calibration calibration = recipe.calibration().orElse(null);
        if (calibration == null || outputs.stream().noneMatch(StepDigests::takesCollected)) {
            return Optional.empty();
        }
        Path target = recipe.collected(input);
        String digest = StepDigests.calibrate(
                options.version(),
                sourceDigest,
                record.sha256(calibration.text()),
                calibration.context(),
                calibration.chunks());
        Optional<RunRecord.Collected> known = options.force() ? Optional.empty() : record.collected(target, digest);
        if (known.isPresent()) {
            done("calibrate", Status.UP_TO_DATE, known.get().seconds());
            return Optional.of(target);
        }
        refuseForeign(target);
        long begun = System.nanoTime();
        collect(source, calibration, target);
        double seconds = since(begun);
        record.put(target, new RunRecord.Collected(digest, seconds));
        record.save();
        done("calibrate", Status.DONE, seconds);
        listener.say(String.format(Locale.ROOT, "%s: importance matrix, %.1f s", input.name(), seconds));
        return Optional.of(target);
    }

    private void collect(Source source, Recipe.Calibration calibration, Path target) {
        Text text = Text.read(calibration.text());
        EvaluatedModel model = EvaluatedModel.of(source);
        Windows windows = Windows.halves(
                text.origin(), model.tokens(text), model.beginning(), calibration.context(), calibration.chunks());
        ActivationSums sums = new ActivationSums(calibration.context());
        // The name alone: the same files in another directory give the same bytes.
        sums.addDataset(String.valueOf(calibration.text().getFileName()));
        var progress = listener.progress("windows");
        progress.begin(input.name() + " calibration", windows.count());
        try (Forward forward = model.forward(calibration.context(), threads, Forward.DEFAULT_MEMORY)) {
            Calibration.collect(
                    forward, windows, new Calibration.Options(false, false), sums, d -> progress.advance(1));
        }
        progress.end();
        List<Path> reading = new ArrayList<>(SourceFiles.of(source));
        reading.add(calibration.text());
        ImportanceWriter.write(sums, target, ImportanceWriter.Format.GGUF, reading);
    }

    // ---- conversion

    private record Planned(
            Recipe.Output output,
            OutputPlan plan,
            Path target,
            String digest,
            Optional<Path> matrixFile,
            @Nullable String matrix) {}

    private void convert(Source source, Optional<Path> collected) {
        List<Planned> stale = new ArrayList<>();
        Map<String, Planned> all = new LinkedHashMap<>();
        for (Recipe.Output output : outputs) {
            Optional<Path> matrix = StepDigests.takesCollected(output) ? collected : output.importance();
            if (StepDigests.takesCollected(output) && recipe.calibration().isPresent() && collected.isEmpty()) {
                continue; // Its importance matrix could not be made, which has been said.
            }
            attempt("convert " + output.name(), () -> plan(source, output, matrix))
                    .ifPresentOrElse(
                            planned -> {
                                all.put(output.name(), planned);
                                Optional<RunReport.OutputResult> known = options.force()
                                        ? Optional.empty()
                                        : record.output(planned.target(), planned.digest());
                                known.ifPresentOrElse(
                                        result -> results.put(output.name(), result.with(Status.UP_TO_DATE)),
                                        () -> stale.add(planned));
                            },
                            () -> results.put(
                                    output.name(),
                                    nothing(output, steps.getLast().status())));
        }
        stale.removeIf(planned -> attempt("convert " + planned.output().name(), () -> {
                    refuseForeign(planned.target());
                    return planned;
                })
                .isEmpty());
        if (!stale.isEmpty()) {
            write(source, stale);
        } else if (!all.isEmpty()) {
            done("convert", Status.UP_TO_DATE, 0);
        }
        if (recipe.evaluation().map(Recipe.Evaluation::tensorErrors).orElse(false)) {
            all.values().forEach(this::compareTensors);
        }
    }

    private Planned plan(Source source, Recipe.Output output, Optional<Path> matrixFile) {
        String matrixHash = matrixFile.map(record::sha256).orElse(null);
        boolean direct = source.general().isPresent()
                && output.plain()
                && matrixHash == null
                && CheckpointTypes.isDirect(output.type());
        OutputPlan plan = direct
                ? CheckpointTypes.plan(source, output.type())
                : Quantization.plan(source, output.type(), quantization(output, matrixFile));
        String digest = StepDigests.convert(options.version(), sourceDigest, output, matrixHash);
        return new Planned(output, plan, recipe.target(input, output), digest, matrixFile, matrixHash);
    }

    private static QuantizationOptions quantization(Recipe.Output output, Optional<Path> matrixFile) {
        LinkedHashMap<String, dev.quern.gguf.GgufValue> keys = new LinkedHashMap<>();
        Optional<ImportanceMatrix> matrix = matrixFile.map(ImportanceReader::read);
        // The name alone: the same files in another directory give the same bytes.
        matrix.ifPresent(read ->
                keys.putAll(ImportanceKeys.of(matrixFile.map(file -> String.valueOf(file.getFileName())), read)));
        return new QuantizationOptions(
                output.mix(), output.allowRequantize(), matrix, keys, output.prunedLayers(), false);
    }

    /** What no earlier run of a recipe has made is somebody's own file. */
    private void refuseForeign(Path target) {
        if (Files.exists(target) && !record.isOwn(target) && !options.force()) {
            throw new RefusedException(
                    target, "exists, and no earlier run made it", "move it away, or replace it with --force");
        }
    }

    private void write(Source source, List<Planned> stale) {
        List<Conversion.Output> conversions = stale.stream()
                .map(planned -> new Conversion.Output(planned.plan(), planned.target()))
                .toList();
        long begun = System.nanoTime();
        try {
            source.checksums().run();
            List<Path> others = new ArrayList<>(SourceFiles.of(source));
            stale.forEach(planned -> planned.matrixFile().ifPresent(others::add));
            // The digests stand for all that decides values: a run goes on only with what the same ones began.
            String how = String.join(" ", stale.stream().map(Planned::digest).toList());
            Conversion.run(
                    conversions,
                    Inputs.of(source.model(), others, how),
                    new Conversion.Options(threads, options.kernel(), true, false, listener.progress("values"))
                            .with(Conversion.Resume.LARGE, options.version(), listener::say));
        } catch (InputException e) {
            stale.forEach(planned -> results.put(planned.output().name(), nothing(planned.output(), Status.REFUSED)));
            throw e;
        } catch (RuntimeException e) {
            stale.forEach(planned -> results.put(planned.output().name(), nothing(planned.output(), Status.FAILED)));
            throw e;
        }
        double seconds = since(begun);
        for (Planned planned : stale) {
            Path target = planned.target();
            OutputPlan plan = planned.plan();
            RunReport.OutputResult result = new RunReport.OutputResult(
                    planned.output().name(),
                    planned.output().type().name(),
                    Status.DONE,
                    planned.output().options(),
                    new RunReport.FileIdentity(
                            String.valueOf(target.getFileName()), plan.layout().fileSize(), record.sha256(target)),
                    planned.matrix(),
                    plan.bitsPerWeight(),
                    seconds,
                    mix(plan),
                    List.of(),
                    List.of(),
                    List.of());
            results.put(planned.output().name(), result);
            record.put(target, new RunRecord.Made(planned.digest(), result));
        }
        record.save();
        done("convert", Status.DONE, seconds);
        listener.say(String.format(
                Locale.ROOT,
                "%s: %s, %.1f s",
                input.name(),
                String.join(", ", stale.stream().map(p -> p.output().name()).toList()),
                seconds));
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
        RunReport.OutputResult result = results.get(planned.output().name());
        if (result == null || result.file() == null || !result.tensorErrors().isEmpty()) {
            return;
        }
        attempt("tensors " + planned.output().name(), () -> {
            try (Source written = Source.open(planned.target())) {
                List<RunReport.TensorError> errors =
                        TensorErrors.measure(planned.plan(), written.model(), threads, listener.progress("values"));
                RunReport.OutputResult complete = new RunReport.OutputResult(
                        result.name(),
                        result.type(),
                        result.status(),
                        result.options(),
                        result.file(),
                        result.importance(),
                        result.bitsPerWeight(),
                        result.seconds(),
                        result.mix(),
                        errors,
                        List.of(),
                        List.of());
                results.put(planned.output().name(), complete);
                record.put(planned.target(), new RunRecord.Made(planned.digest(), complete));
                record.save();
            }
            return null;
        });
    }

    // ---- evaluation

    private record Candidate(Recipe.Output output, String key, String digest) {}

    private void evaluate(Source source) {
        Recipe.Evaluation evaluation = recipe.evaluation().orElse(null);
        if (evaluation == null) {
            return;
        }
        String base = evaluation.base().orElse("source");
        String baseDigest =
                evaluation.base().map(name -> requireFile(name).sha256()).orElse(sourceDigest);
        for (Path text : evaluation.texts()) {
            String name = String.valueOf(text.getFileName());
            List<Candidate> stale = new ArrayList<>();
            boolean any = false;
            for (Recipe.Output output : outputs) {
                RunReport.OutputResult result = java.util.Objects.requireNonNull(results.get(output.name()));
                RunReport.FileIdentity file = result.file();
                if (file == null || output.name().equals(base)) {
                    continue;
                }
                String digest = StepDigests.compare(
                        options.version(),
                        baseDigest,
                        file.sha256(),
                        record.sha256(text),
                        evaluation.context(),
                        evaluation.chunks());
                String key = input.name() + "/" + output.name() + " on " + name;
                Optional<RunReport.Measurement> known =
                        options.force() ? Optional.empty() : record.measurement(key, digest);
                any = true;
                known.ifPresentOrElse(
                        measurement -> measured(output, measurement),
                        () -> stale.add(new Candidate(output, key, digest)));
            }
            if (!stale.isEmpty()) {
                attempt("compare on " + name, () -> {
                    compare(source, evaluation, text, stale);
                    return null;
                });
            } else if (any) {
                done("compare on " + name, Status.UP_TO_DATE, 0);
            }
        }
    }

    private RunReport.FileIdentity requireFile(String output) {
        RunReport.OutputResult result = results.get(output);
        RunReport.FileIdentity file = result == null ? null : result.file();
        if (file == null) {
            throw InputException.of(input.path(), "cannot be compared: its base " + output + " could not be made");
        }
        return file;
    }

    private void measured(Recipe.Output output, RunReport.Measurement measurement) {
        measurements.computeIfAbsent(output.name(), name -> new ArrayList<>()).add(measurement);
    }

    private void compare(Source source, Recipe.Evaluation evaluation, Path textFile, List<Candidate> candidates) {
        Text text = Text.read(textFile);
        Path basePath = evaluation
                .base()
                .map(name -> recipe.directory().resolve(requireFile(name).name()))
                .orElse(source.path());
        List<EvaluatedModel> opened = new ArrayList<>();
        List<Forward> forwards = new ArrayList<>();
        long begun = System.nanoTime();
        try (EvaluatedModel base = EvaluatedModel.open(basePath)) {
            for (Candidate candidate : candidates) {
                opened.add(EvaluatedModel.open(recipe.target(input, candidate.output())));
            }
            Windows windows = Windows.halves(
                    text.origin(), base.tokens(text), base.beginning(), evaluation.context(), evaluation.chunks());
            long memory = Forward.DEFAULT_MEMORY / (candidates.size() + 1);
            try (Forward reference = base.forward(windows.length(), threads, memory)) {
                for (EvaluatedModel model : opened) {
                    forwards.add(model.forward(windows.length(), threads, memory));
                }
                List<List<DivergenceEstimates>> running = new ArrayList<>();
                var progress = listener.progress("windows");
                progress.begin(input.name(), windows.count());
                Comparison.Result result = Comparison.of(windows, reference, forwards)
                        .run(done -> {
                            running.add(done.estimates());
                            progress.advance(1);
                        });
                progress.end();
                double seconds = since(begun);
                keep(evaluation, candidates, windows, result, running, seconds);
                done("compare on " + textFile.getFileName(), Status.DONE, seconds);
                listener.say(String.format(
                        Locale.ROOT,
                        "%s: %d windows of %s, %d outputs, %.1f s",
                        input.name(),
                        windows.count(),
                        textFile.getFileName(),
                        candidates.size(),
                        seconds));
            }
        } finally {
            forwards.forEach(Forward::close);
            opened.forEach(EvaluatedModel::close);
        }
    }

    private void keep(
            Recipe.Evaluation evaluation,
            List<Candidate> candidates,
            Windows windows,
            Comparison.Result result,
            List<List<DivergenceEstimates>> running,
            double seconds) {
        for (int i = 0; i < candidates.size(); i++) {
            Candidate candidate = candidates.get(i);
            int index = i;
            RunReport.Measurement measurement = Measurements.of(
                    String.valueOf(Path.of(windows.origin()).getFileName()),
                    evaluation.base().orElse("source"),
                    windows,
                    result.divergences().get(i),
                    running.stream().map(window -> window.get(index)).toList(),
                    requireFile(candidate.output().name()).bytes(),
                    seconds);
            measured(candidate.output(), measurement);
            record.put(candidate.key(), new RunRecord.Measured(candidate.digest(), measurement));
        }
        record.save();
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (java.io.IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    private static double since(long begun) {
        return (System.nanoTime() - begun) / 1e9;
    }
}
