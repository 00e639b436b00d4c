package dev.quern.batch;

import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.Source;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The step of a source that compares its outputs with their base, text by text. */
final class SourceEvaluation {
    private final SourceWork work;
    private final StepLog log;
    private final OutputResults results;

    SourceEvaluation(SourceWork work, StepLog log, OutputResults results) {
        this.work = work;
        this.log = log;
        this.results = results;
    }

    private record Candidate(Recipe.Output output, String key, String digest) {}

    /** @param sourceDigest of the source's files */
    void run(Source source, String sourceDigest) {
        Recipe.Evaluation evaluation = work.recipe().evaluation().orElse(null);
        if (evaluation == null) {
            return;
        }
        String base = evaluation.base().orElse("source");
        String baseDigest = evaluation
                .base()
                .map(name -> results.requireFile(name).sha256())
                .orElse(sourceDigest);
        for (Path text : evaluation.texts()) {
            String name = String.valueOf(text.getFileName());
            List<Candidate> stale = new ArrayList<>();
            boolean any = false;
            for (Recipe.Output output : work.outputs()) {
                RunReport.OutputResult result = results.of(output);
                RunReport.FileIdentity file = result.file();
                if (file == null || output.name().equals(base)) {
                    continue;
                }
                String digest = StepDigests.compare(
                        work.options().version(),
                        baseDigest,
                        file.sha256(),
                        work.record().sha256(text),
                        evaluation.context(),
                        evaluation.chunks());
                String key = work.input().name() + "/" + output.name() + " on " + name;
                Optional<RunReport.Measurement> known = work.options().force()
                        ? Optional.empty()
                        : work.record().measurement(key, digest);
                any = true;
                known.ifPresentOrElse(
                        measurement -> results.measured(output, measurement),
                        () -> stale.add(new Candidate(output, key, digest)));
            }
            if (!stale.isEmpty()) {
                log.attempt("compare on " + name, () -> compare(source, evaluation, text, stale));
            } else if (any) {
                log.done("compare on " + name, Status.UP_TO_DATE, 0);
            }
        }
    }

    private void compare(Source source, Recipe.Evaluation evaluation, Path textFile, List<Candidate> candidates) {
        Text text = Text.read(textFile);
        Path basePath = evaluation
                .base()
                .map(name -> work.recipe()
                        .directory()
                        .resolve(results.requireFile(name).name()))
                .orElse(source.path());
        List<EvaluatedModel> opened = new ArrayList<>();
        List<Forward> forwards = new ArrayList<>();
        long begun = System.nanoTime();
        try (EvaluatedModel base = EvaluatedModel.open(basePath)) {
            for (Candidate candidate : candidates) {
                opened.add(EvaluatedModel.open(work.target(candidate.output())));
            }
            base.requirePredictions();
            Windows windows = base.windows(text, evaluation.context(), evaluation.chunks());
            long memory = Forward.DEFAULT_MEMORY / (candidates.size() + 1);
            try (Forward reference = base.forward(windows.length(), work.threads(), memory)) {
                for (EvaluatedModel model : opened) {
                    forwards.add(model.forward(windows.length(), work.threads(), memory));
                }
                List<List<DivergenceEstimates>> running = new ArrayList<>();
                var progress = work.progress("windows");
                progress.begin(work.input().name(), windows.count());
                Comparison.Result result = Comparison.of(windows, reference, forwards)
                        .run(done -> {
                            running.add(done.estimates());
                            progress.advance(1);
                        });
                progress.end();
                double seconds = SourceWork.secondsSince(begun);
                keep(evaluation, candidates, windows, result, running, seconds);
                log.done("compare on " + textFile.getFileName(), Status.DONE, seconds);
                work.say(String.format(
                        Locale.ROOT,
                        "%d windows of %s, %d outputs, %.1f s",
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
                    results.requireFile(candidate.output().name()).bytes(),
                    seconds);
            results.measured(candidate.output(), measurement);
            work.record().put(candidate.key(), new RunRecord.Measured(candidate.digest(), measurement));
        }
        work.record().save();
    }
}
