package dev.quern.batch;

import dev.quern.io.InputException;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** What has become of each output of one source so far: its file, and how it did on the texts. */
final class OutputResults {
    private final Recipe.Input input;
    private final Map<String, RunReport.OutputResult> results = new LinkedHashMap<>();
    private final Map<String, List<RunReport.Measurement>> measurements = new LinkedHashMap<>();

    /** All of them not run yet. */
    OutputResults(Recipe.Input input, List<Recipe.Output> outputs) {
        this.input = input;
        outputs.forEach(output -> missing(output, Status.NOT_RUN));
    }

    /** There is no file, and why. */
    void missing(Recipe.Output output, Status status) {
        put(
                output,
                new RunReport.OutputResult(
                        output.name(),
                        output.type().name(),
                        status,
                        output.options(),
                        null,
                        null,
                        0,
                        0,
                        List.of(),
                        null,
                        List.of(),
                        List.of(),
                        List.of(),
                        List.of()));
    }

    void put(Recipe.Output output, RunReport.OutputResult result) {
        results.put(output.name(), result);
    }

    /** What nobody got to ended with the source. */
    void endWith(Status status) {
        results.replaceAll((name, result) -> result.status() == Status.NOT_RUN ? result.with(status) : result);
    }

    RunReport.OutputResult of(Recipe.Output output) {
        return Objects.requireNonNull(results.get(output.name()));
    }

    /** @throws InputException when the output, which others are compared with, could not be made */
    RunReport.FileIdentity requireFile(String output) {
        RunReport.OutputResult result = results.get(output);
        RunReport.FileIdentity file = result == null ? null : result.file();
        if (file == null) {
            throw InputException.of(input.path(), "cannot be compared: its base " + output + " could not be made");
        }
        return file;
    }

    void measured(Recipe.Output output, RunReport.Measurement measurement) {
        measurements.computeIfAbsent(output.name(), name -> new ArrayList<>()).add(measurement);
    }

    /** All outputs with their measurements, and what their gates say to them. */
    List<RunReport.OutputResult> judged(GateJudge judge) {
        return results.values().stream()
                .map(result -> {
                    List<RunReport.Measurement> measured = measurements.getOrDefault(result.name(), List.of());
                    return result.with(measured, judge.judge(input.name(), result.name(), result, measured));
                })
                .toList();
    }
}
