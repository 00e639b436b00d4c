package dev.quern.batch;

import dev.quern.evaluation.Calibration;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceWriter;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.report.RunReport.Status;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The step of a source that collects its importance matrix. */
final class SourceCalibration {
    private final SourceWork work;
    private final StepLog log;

    SourceCalibration(SourceWork work, StepLog log) {
        this.work = work;
        this.log = log;
    }

    /**
     * The importance matrix of the recipe's calibration text, collected unless it is there.
     *
     * @param sourceDigest of the source's files
     * @return empty when the recipe asks for none, or no output takes one
     */
    Optional<Path> run(Source source, String sourceDigest) {
        Recipe.Calibration calibration = work.recipe().calibration().orElse(null);
        if (calibration == null || work.outputs().stream().noneMatch(StepDigests::takesCollected)) {
            return Optional.empty();
        }
        Path target = work.recipe().collected(work.input());
        String digest = StepDigests.calibrate(
                work.options().version(),
                sourceDigest,
                work.record().sha256(calibration.text()),
                calibration.context(),
                calibration.chunks());
        Optional<RunRecord.Collected> known =
                work.options().force() ? Optional.empty() : work.record().collected(target, digest);
        if (known.isPresent()) {
            log.done("calibrate", Status.UP_TO_DATE, known.get().seconds());
            return Optional.of(target);
        }
        work.refuseForeign(target);
        long begun = System.nanoTime();
        collect(source, calibration, target);
        double seconds = SourceWork.secondsSince(begun);
        work.record().put(target, new RunRecord.Collected(digest, seconds));
        work.record().save();
        log.done("calibrate", Status.DONE, seconds);
        work.say(String.format(Locale.ROOT, "importance matrix, %.1f s", seconds));
        return Optional.of(target);
    }

    private void collect(Source source, Recipe.Calibration calibration, Path target) {
        Text text = Text.read(calibration.text());
        EvaluatedModel model = EvaluatedModel.of(source);
        Windows windows = model.windows(text, calibration.context(), calibration.chunks());
        ActivationSums sums = new ActivationSums(calibration.context());
        // The name alone: the same files in another directory give the same bytes.
        sums.addDataset(String.valueOf(calibration.text().getFileName()));
        var progress = work.progress("windows");
        progress.begin(work.input().name() + " calibration", windows.count());
        try (Forward forward = model.forward(calibration.context(), work.threads(), Forward.DEFAULT_MEMORY)) {
            Calibration.collect(
                    forward, windows, new Calibration.Options(false, false), sums, d -> progress.advance(1));
        }
        progress.end();
        List<Path> reading = new ArrayList<>(SourceFiles.of(source));
        reading.add(calibration.text());
        ImportanceWriter.write(sums, target, ImportanceWriter.Format.GGUF, reading);
    }
}
