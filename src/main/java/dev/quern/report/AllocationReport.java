package dev.quern.report;

import dev.quern.allocation.Candidate;
import dev.quern.pipeline.TypeAllocation;
import dev.quern.pipeline.TypeCandidates;
import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Which types a model of a wanted size got, and what other sizes would cost. */
public final class AllocationReport {
    private AllocationReport() {}

    public static String text(TypeAllocation.Result result) {
        Table tensors = new Table("tensor", "type", "bytes", "predicted KLD", "of all");
        for (TypeAllocation.Decided one : result.tensors()) {
            Candidate chosen = one.chosen();
            tensors.add(
                    one.tensor(),
                    chosen.type().name(),
                    Long.toString(chosen.bytes()),
                    nats(chosen.divergence()),
                    String.format(
                            Locale.ROOT,
                            "%.1f %%",
                            100
                                    * chosen.divergence()
                                    / Math.max(Double.MIN_NORMAL, result.point().divergence())));
        }
        Table frontier = new Table("", "bytes", "bits/weight", "predicted KLD", "gap at most");
        for (TypeAllocation.Point point : result.frontier()) {
            frontier.add(
                    point.wanted() ? "target" : "",
                    Long.toString(point.fileBytes()),
                    String.format(Locale.ROOT, "%.3f", point.bitsPerWeight()),
                    nats(point.divergence()),
                    gap(point.gap()));
        }
        return tensors.text() + "\n" + frontier.text() + "\n";
    }

    private static String nats(double divergence) {
        return String.format(Locale.ROOT, "%.3e", divergence);
    }

    private static String gap(double gap) {
        return gap == 0 ? "none" : String.format(Locale.ROOT, "%.2g %%", 100 * gap);
    }

    /** @param asked what was asked for, in the user's words */
    public static RunReport.Allocation of(TypeAllocation.Result result, String asked) {
        return new RunReport.Allocation(
                asked,
                result.point().fileBytes(),
                result.point().bitsPerWeight(),
                result.point().divergence(),
                result.point().gap(),
                result.frontier().stream()
                        .map(point -> new RunReport.SizePoint(
                                point.fileBytes(), point.bitsPerWeight(), point.divergence(), point.gap()))
                        .toList(),
                result.tensors().stream()
                        .map(one -> new RunReport.ChosenType(
                                one.tensor(),
                                one.chosen().type().name(),
                                one.chosen().bytes(),
                                one.chosen().divergence(),
                                one.reason()))
                        .toList());
    }

    public static Map<String, Object> map(TypeAllocation.Result result) {
        Map<String, Object> map = point(result.point());
        map.put(
                "frontier",
                result.frontier().stream().map(AllocationReport::point).toList());
        List<Map<String, Object>> tensors = new ArrayList<>();
        for (TypeAllocation.Decided one : result.tensors()) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", one.tensor());
            entry.put("type", one.chosen().type().name());
            entry.put("bytes", one.chosen().bytes());
            entry.put("kld", one.chosen().divergence());
            entry.put("because", one.reason());
            entry.put(
                    "candidates",
                    one.options().stream().map(AllocationReport::option).toList());
            tensors.add(entry);
        }
        map.put("tensors", tensors);
        return map;
    }

    private static Map<String, Object> option(TypeAllocation.Option option) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", option.type().name());
        map.put("bytes", option.bytes());
        map.put("kld", option.divergence());
        map.put("tried", option.tried());
        return map;
    }

    private static Map<String, Object> point(TypeAllocation.Point point) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("bytes", point.fileBytes());
        map.put("bits_per_weight", point.bitsPerWeight());
        map.put("kld", point.divergence());
        map.put("gap", point.gap());
        return map;
    }

    /** Of a dry run, which decides nothing. */
    public static Map<String, Object> map(TypeAllocation allocation, long measurements, int windows) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("decided", false);
        map.put("most_trials", measurements);
        map.put("windows", windows);
        map.put("least_bytes", allocation.leastFileBytes());
        map.put("most_bytes", allocation.mostFileBytes());
        List<Map<String, Object>> tensors = new ArrayList<>();
        for (TypeCandidates tensor : allocation.tensors()) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("name", tensor.tensor().name());
            entry.put("candidates", tensor.types().stream().map(QuantType::name).toList());
            tensors.add(entry);
        }
        map.put("tensors", tensors);
        return map;
    }
}
