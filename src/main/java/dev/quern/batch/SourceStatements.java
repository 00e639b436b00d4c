package dev.quern.batch;

import dev.quern.io.OutputException;
import dev.quern.pipeline.Provenance.Digested;
import dev.quern.report.CycloneDxBom;
import dev.quern.report.InTotoStatement;
import dev.quern.report.Lineage;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The step of a source that states where its outputs come from: for signing, and as a bill of materials. */
record SourceStatements(SourceWork work, StepLog log, Lineage.Model model, SourceProvenance provenance) {
    /** @param results of all outputs, with what was measured */
    void run(List<RunReport.OutputResult> results) {
        Recipe.Statements wanted = work.recipe().statements();
        List<Lineage.Output> outputs = new ArrayList<>();
        for (Recipe.Output output : work.outputs()) {
            results.stream()
                    .filter(result -> result.name().equals(output.name()))
                    .forEach(result -> add(output, result, outputs));
        }
        if (outputs.isEmpty() || !(wanted.attestation() || wanted.bom())) {
            return;
        }
        long begun = System.nanoTime();
        Lineage lineage = new Lineage(work.options().version(), "run", model, outputs);
        boolean changed =
                wanted.attestation() && write(work.recipe().attestation(work.input()), InTotoStatement.json(lineage));
        changed |= wanted.bom() && write(work.recipe().bom(work.input()), CycloneDxBom.json(lineage));
        log.done("statements", changed ? Status.DONE : Status.UP_TO_DATE, SourceWork.secondsSince(begun));
    }

    private void add(Recipe.Output output, RunReport.OutputResult result, List<Lineage.Output> outputs) {
        RunReport.FileIdentity file = result.file();
        if (file == null) {
            return;
        }
        List<Lineage.Figure> figures = new ArrayList<>();
        for (RunReport.Measurement measurement : result.measurements()) {
            measurement.quantities().forEach((quantity, value) -> figures.add(figure(measurement, quantity, value)));
        }
        outputs.add(new Lineage.Output(
                new Digested(file.name(), file.bytes(), file.sha256()),
                result.type(),
                provenance.of(output, SourceProvenance.matrix(work.recipe(), work.input(), output)),
                figures));
    }

    private static Lineage.Figure figure(RunReport.Measurement measurement, String quantity, double value) {
        List<Double> interval = measurement.kldInterval();
        return interval == null || !quantity.equals("kld")
                ? new Lineage.Figure(quantity, measurement.text(), value, null, null)
                : new Lineage.Figure(quantity, measurement.text(), value, interval.getFirst(), interval.getLast());
    }

    /** @return whether it was not there as it is now */
    private static boolean write(Path file, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try {
            if (Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), bytes)) {
                return false;
            }
        } catch (IOException e) {
            throw OutputException.of(file, "cannot be read back", e);
        }
        RunRecord.write(file, bytes);
        return true;
    }
}
