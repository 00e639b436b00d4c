package dev.quern.batch;

import dev.quern.io.FileIdentity;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.report.Lineage;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One source of a run: opened, calibrated, converted to what is not there yet, compared, judged. */
final class SourceRun {
    private final SourceWork work;
    private final StepLog log;
    private final OutputResults results;
    private List<RunReport.FileIdentity> files = List.of();
    private @Nullable String kind;
    private @Nullable String architecture;
    private long parameters;
    private @Nullable SourceStatements statements;

    SourceRun(SourceWork work) {
        this.work = work;
        this.log = new StepLog(work);
        this.results = new OutputResults(work.input(), work.outputs());
    }

    /** @return what was done; failures are part of it, except errors of the JVM */
    RunReport.SourceResult run(GateJudge judge) {
        log.attempt("open", () -> {
            try (Source source = work.open()) {
                run(source);
            }
        });
        if (log.isBroken()) {
            results.endWith(log.status());
        }
        List<RunReport.OutputResult> judged = results.judged(judge);
        SourceStatements stated = statements;
        if (stated != null) {
            log.attempt("statements", () -> stated.run(judged));
        }
        return new RunReport.SourceResult(
                work.input().name(),
                work.input().path().toString(),
                log.status(),
                log.message(),
                log.hint(),
                kind,
                architecture,
                parameters,
                files,
                log.steps(),
                judged);
    }

    /** A source that was not reached. */
    static RunReport.SourceResult notRun(Recipe.Input input, List<Recipe.Output> outputs, GateJudge judge) {
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
                new OutputResults(input, outputs).judged(judge));
    }

    private void run(Source source) {
        kind = source.kind();
        architecture = source.model().metadata().architecture();
        parameters = source.model().tensors().sources().stream()
                .mapToLong(tensor -> tensor.info().shape().elements())
                .sum();
        List<Path> read = SourceFiles.of(source);
        SourceProvenance provenance = new SourceProvenance(
                work.recipe(), work.record(), work.options().version(), read);
        statements =
                new SourceStatements(work, log, Lineage.Model.of(source.model().metadata()), provenance);
        files = read.stream()
                .map(file -> new RunReport.FileIdentity(
                        String.valueOf(file.getFileName()),
                        FileIdentity.of(file).size(),
                        work.record().sha256(file)))
                .toList();
        String digest = StepDigests.source(work.record(), source);
        work.record().save();
        Optional<Path> collected = log.result("calibrate", () -> new SourceCalibration(work, log).run(source, digest))
                .flatMap(matrix -> matrix);
        log.attempt(
                "convert", () -> new SourceConversion(work, log, results, provenance).run(source, digest, collected));
        log.attempt("compare", () -> new SourceEvaluation(work, log, results).run(source, digest));
    }
}
