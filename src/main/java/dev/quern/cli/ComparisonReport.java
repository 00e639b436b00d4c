package dev.quern.cli;

import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.Divergence;
import dev.quern.evaluation.DivergenceEstimates;
import dev.quern.evaluation.Gate;
import dev.quern.evaluation.PairedDifference;
import dev.quern.evaluation.Windows;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.DivergenceReport;
import dev.quern.report.Json;
import dev.quern.report.Table;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Runs a comparison and prints what came of it. */
record ComparisonReport(EvaluationOptions options, boolean perWindow, List<String> names, List<Gate> gates) {
    /** @return the command's exit code */
    int run(Comparison comparison, Windows windows, List<EvaluatedModel> candidates) {
        List<List<DivergenceEstimates>> running = new ArrayList<>();
        RunningEstimate shown = new RunningEstimate(options.talk());
        Comparison.Result result;
        try (var _ = Interruption.saying(() -> interrupted(comparison, windows, candidates))) {
            result = comparison.run(done -> {
                running.add(done.estimates());
                shown.windowDone(done.windowsDone(), done.windows(), estimate(done.estimates()), done.secondsLeft());
            });
        }
        List<List<Gate.Verdict>> verdicts = verdicts(result, candidates);
        if (options.json) {
            System.out.println(Json.pretty(map(result, windows, candidates, verdicts, running)));
        } else {
            print(result, candidates, verdicts, running);
        }
        return verdicts.stream().flatMap(List::stream).allMatch(Gate.Verdict::passed) ? 0 : Quern.DIFFERENCE;
    }

    private static String estimate(List<DivergenceEstimates> estimates) {
        if (estimates.isEmpty()) {
            return "base";
        }
        List<String> klds = estimates.stream()
                .map(e -> String.format(
                        Locale.ROOT,
                        "%.5f +/- %.5f",
                        e.divergence().value(),
                        e.divergence().error()))
                .toList();
        return "KLD " + String.join(", ", klds);
    }

    private void interrupted(Comparison comparison, Windows windows, List<EvaluatedModel> candidates) {
        Comparison.Result soFar = comparison.soFar();
        if (soFar.windows() == 0 || soFar.divergences().isEmpty()) {
            return;
        }
        if (options.json) {
            Map<String, Object> map = map(soFar, windows, candidates, List.of(), List.of());
            map.put("interrupted", true);
            System.out.println(Json.pretty(map));
        } else {
            System.out.printf(Locale.ROOT, "%ninterrupted: %d of %d windows%n", soFar.windows(), windows.count());
            print(soFar, candidates, List.of(), List.of());
        }
    }

    private List<List<Gate.Verdict>> verdicts(Comparison.Result result, List<EvaluatedModel> candidates) {
        List<List<Gate.Verdict>> verdicts = new ArrayList<>();
        for (int i = 0; i < candidates.size(); i++) {
            var measured = DivergenceReport.quantities(
                    result.divergences().get(i), candidates.get(i).bytes());
            verdicts.add(gates.stream().map(gate -> gate.judge(measured)).toList());
        }
        return verdicts;
    }

    private void print(
            Comparison.Result result,
            List<EvaluatedModel> candidates,
            List<List<Gate.Verdict>> verdicts,
            List<List<DivergenceEstimates>> running) {
        for (int i = 0; i < result.divergences().size(); i++) {
            if (result.divergences().size() > 1) {
                System.out.println((i == 0 ? "" : "\n") + names.get(i) + "\n");
            }
            if (perWindow && !running.isEmpty()) {
                System.out.println(DivergenceReport.RUNNING_HEAD);
                for (int window = 0; window < running.size(); window++) {
                    System.out.println(DivergenceReport.running(
                            window + 1, running.get(window).get(i)));
                }
                System.out.println();
            }
            System.out.print(DivergenceReport.text(result.divergences().get(i)));
        }
        if (result.divergences().size() > 1) {
            System.out.print("\n" + table(result, candidates).text() + "\n");
            for (PairedDifference pair : result.pairs()) {
                System.out.println(DivergenceReport.text(pair, names));
            }
        }
        String before = "\n";
        for (int i = 0; i < verdicts.size(); i++) {
            for (Gate.Verdict verdict : verdicts.get(i)) {
                System.out.println(before + "gate " + names.get(i) + ": " + verdict.text());
                before = "";
            }
        }
        options.talk()
                .say(String.format(
                        Locale.ROOT,
                        "%d windows, %.1f s, %s",
                        result.windows(),
                        result.seconds(),
                        PeakMemory.now().text()));
    }

    private Table table(Comparison.Result result, List<EvaluatedModel> candidates) {
        Table table =
                new Table("candidate", "MB", "PPL", "increase", "KLD", "+/-", "99 % KLD", "same top", "RMS \u0394p");
        for (int i = 0; i < candidates.size(); i++) {
            Divergence divergence = result.divergences().get(i);
            DivergenceEstimates e = divergence.estimates();
            table.add(
                    names.get(i),
                    format("%.2f", candidates.get(i).bytes() / 1e6),
                    format("%.4f", e.perplexity().value()),
                    format("%+.2f %%", 100 * (e.ratio().value() - 1)),
                    format("%.6f", e.divergence().value()),
                    format("%.6f", e.divergence().error()),
                    format("%.5f", divergence.divergences().at(0.99f)),
                    format("%.2f %%", 100 * e.sameTop().value()),
                    format("%.3f %%", 100 * e.rootMeanSquareChange().value()));
        }
        return table;
    }

    private static String format(String format, Object value) {
        return String.format(Locale.ROOT, format, value);
    }

    private Map<String, Object> map(
            Comparison.Result result,
            Windows windows,
            List<EvaluatedModel> candidates,
            List<List<Gate.Verdict>> verdicts,
            List<List<DivergenceEstimates>> running) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("text", windows.origin());
        map.put("context", windows.length());
        map.put("windows", result.windows());
        List<Map<String, Object>> list = new ArrayList<>();
        for (int i = 0; i < result.divergences().size(); i++) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("model", candidates.get(i).source().path().toString());
            entry.put("size", candidates.get(i).bytes());
            entry.putAll(DivergenceReport.map(result.divergences().get(i)));
            int which = i;
            entry.put(
                    "running_kld",
                    running.stream()
                            .map(window -> window.get(which).divergence().value())
                            .toList());
            entry.put(
                    "running_ppl",
                    running.stream()
                            .map(window -> window.get(which).perplexity().value())
                            .toList());
            if (i < verdicts.size()) {
                entry.put(
                        "gates",
                        verdicts.get(i).stream().map(ComparisonReport::map).toList());
            }
            list.add(entry);
        }
        map.put("candidates", list);
        map.put(
                "pairs",
                result.pairs().stream().map(pair -> map(pair, candidates)).toList());
        map.put("seconds", result.seconds());
        map.put("peak_memory", PeakMemory.now().map());
        map.put("version", Version.text());
        return map;
    }

    static Map<String, Object> map(Gate.Verdict verdict) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("gate", verdict.gate().text());
        map.put("quantity", verdict.gate().quantity().word());
        map.put("limit", verdict.gate().limit());
        map.put("found", verdict.found().isPresent() ? verdict.found().getAsDouble() : null);
        map.put("passed", verdict.passed());
        return map;
    }

    private static Map<String, Object> map(PairedDifference pair, List<EvaluatedModel> candidates) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("first", candidates.get(pair.first()).source().path().toString());
        map.put("second", candidates.get(pair.second()).source().path().toString());
        map.put("kld_difference", pair.divergence());
        map.put("kld_difference_interval_95", DivergenceReport.pair(pair.divergenceInterval()));
        map.put("ln_ppl_ratio", pair.logRatio());
        map.put("ln_ppl_ratio_interval_95", DivergenceReport.pair(pair.logRatioInterval()));
        map.put("nearer", candidates.get(pair.nearer()).source().path().toString());
        map.put("certain", pair.certain());
        return map;
    }
}
