package dev.quern.batch;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Verdict;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Holds a recipe's gates against what was measured. */
record GateJudge(Recipe recipe, Optional<RunReport> baseline) {
    /** A verdict for each gate of an output; for those about a text, one for each text. */
    List<RunReport.GateResult> judge(
            String source, String output, RunReport.OutputResult result, List<RunReport.Measurement> measurements) {
        List<RunReport.GateResult> verdicts = new ArrayList<>();
        for (BatchGate gate : recipe.gates().getOrDefault(Recipe.key(source, output), List.of())) {
            if (gate.quantity() == Quantity.SIZE) {
                Optional<Double> bytes = Optional.ofNullable(result.file()).map(file -> (double) file.bytes());
                verdicts.add(judge(gate, source, output, null, bytes));
                continue;
            }
            for (var text : recipe.evaluation().map(Recipe.Evaluation::texts).orElse(List.of())) {
                String name = String.valueOf(text.getFileName());
                Optional<RunReport.Measurement> measurement = measurements.stream()
                        .filter(measured -> measured.text().equals(name))
                        .findFirst();
                verdicts.add(
                        measurement.isEmpty()
                                ? notJudged(gate, name)
                                : judge(gate, source, output, name, value(measurement.get(), gate.quantity())));
            }
        }
        return verdicts;
    }

    private static Optional<Double> value(RunReport.Measurement measurement, Quantity quantity) {
        return Optional.ofNullable(measurement.quantities().get(quantity.word()));
    }

    private static double limit(BatchGate gate) {
        return switch (gate) {
            case BatchGate.Absolute absolute -> absolute.gate().limit();
            case BatchGate.Drift drift -> drift.most();
        };
    }

    private static RunReport.GateResult notJudged(BatchGate gate, @Nullable String text) {
        return new RunReport.GateResult(
                gate.text(), gate.quantity().word(), text, limit(gate), null, Verdict.NOT_JUDGED, "was not measured");
    }

    private RunReport.GateResult judge(
            BatchGate gate, String source, String output, @Nullable String text, Optional<Double> value) {
        if (value.isEmpty() && gate.quantity() == Quantity.SIZE) {
            return notJudged(gate, text);
        }
        return switch (gate) {
            case BatchGate.Absolute absolute -> judge(absolute.gate(), text, value);
            case BatchGate.Drift drift -> judge(drift, source, output, text, value);
        };
    }

    private static RunReport.GateResult judge(Gate gate, @Nullable String text, Optional<Double> value) {
        Map<Quantity, Double> measured = new EnumMap<>(Quantity.class);
        value.ifPresent(found -> measured.put(gate.quantity(), found));
        Gate.Verdict verdict = gate.judge(measured);
        return new RunReport.GateResult(
                gate.text(),
                gate.quantity().word(),
                text,
                gate.limit(),
                value.orElse(null),
                verdict.passed() ? Verdict.PASSED : Verdict.FAILED,
                value.map(found -> "found " + gate.quantity().text(found))
                        .orElse("could not be measured: too few windows"));
    }

    private RunReport.GateResult judge(
            BatchGate.Drift gate, String source, String output, @Nullable String text, Optional<Double> value) {
        Optional<Double> before = baselineValue(gate.quantity(), source, output, text);
        if (value.isEmpty() || before.isEmpty()) {
            String missing = value.isEmpty() ? "could not be measured" : "the baseline has no such figure";
            return new RunReport.GateResult(
                    gate.text(), gate.quantity().word(), text, gate.most(), null, Verdict.FAILED, missing);
        }
        double worse = gate.worse(value.get(), before.get());
        return new RunReport.GateResult(
                gate.text(),
                gate.quantity().word(),
                text,
                gate.most(),
                worse,
                worse <= gate.most() ? Verdict.PASSED : Verdict.FAILED,
                "found " + gate.quantity().text(value.get()) + ", baseline "
                        + gate.quantity().text(before.get()));
    }

    private Optional<Double> baselineValue(Quantity quantity, String source, String output, @Nullable String text) {
        RunReport.OutputResult result =
                baseline.map(report -> report.output(source, output)).orElse(null);
        if (result == null) {
            return Optional.empty();
        }
        if (quantity == Quantity.SIZE) {
            return Optional.ofNullable(result.file()).map(file -> (double) file.bytes());
        }
        RunReport.Measurement measurement = text == null ? null : RunReport.on(result, text);
        return measurement == null ? Optional.empty() : value(measurement, quantity);
    }
}
