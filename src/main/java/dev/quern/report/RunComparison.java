package dev.quern.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Two runs side by side: what changed between them, output by output. */
public final class RunComparison {
    /** Two standard errors: beyond that a difference is called one. */
    private static final double CERTAIN = 2;

    /** An output on a text in both runs; a side that lacks it is null. */
    private record Pair(
            String source,
            String output,
            @Nullable String text,
            @Nullable Side first,
            @Nullable Side second) {}

    private record Side(RunReport.OutputResult output, RunReport.@Nullable Measurement measurement) {}

    private final List<Pair> pairs = new ArrayList<>();

    private RunComparison(RunReport first, RunReport second) {
        Map<String, Pair> known = new LinkedHashMap<>();
        Summary.lines(first).forEach(line -> put(known, line, true));
        Summary.lines(second).forEach(line -> put(known, line, false));
        pairs.addAll(known.values());
    }

    private static void put(Map<String, Pair> known, Summary.Line line, boolean first) {
        RunReport.Measurement measurement = line.measurement();
        String text = measurement == null ? null : measurement.text();
        String key = line.source().name() + "/" + line.output().name() + "/" + text;
        Side side = new Side(line.output(), measurement);
        Pair other = known.get(key);
        known.put(
                key,
                new Pair(
                        line.source().name(),
                        line.output().name(),
                        text,
                        first ? side : other == null ? null : other.first(),
                        first ? null : side));
    }

    public static RunComparison of(RunReport first, RunReport second) {
        return new RunComparison(first, second);
    }

    public String text() {
        return table(cell -> cell).text();
    }

    public String markdown() {
        return table(MarkdownReport::escaped).markdown();
    }

    private Table table(java.util.function.UnaryOperator<String> escape) {
        Table table = new Table("output", "text", "size", "change", "perplexity", "change", "KLD", "change", "gates");
        for (Pair pair : pairs) {
            Side a = pair.first();
            Side b = pair.second();
            List<String> cells = new ArrayList<>();
            cells.add(pair.source() + "/" + pair.output());
            cells.add(pair.text() == null ? "" : pair.text());
            if (a == null || b == null) {
                cells.addAll(List.of(a == null ? "only in the second" : "only in the first", "", "", "", "", "", ""));
            } else {
                cells.add(Summary.size(b.output().bytes()));
                cells.add(sizeChange(a.output().bytes(), b.output().bytes()));
                figures(cells, a, b, RunReport.Measurement::ppl, "%.4f");
                figures(cells, a, b, RunReport.Measurement::kld, "%.5f");
                cells.add(gates(a.output(), b.output()));
            }
            table.add(cells.stream().map(escape).toArray(String[]::new));
        }
        return table;
    }

    private static String sizeChange(long before, long after) {
        return before == after
                ? "same"
                : String.format(Locale.ROOT, "%+.2f %%", 100.0 * (after - before) / Math.max(1, before));
    }

    private static void figures(
            List<String> cells,
            Side a,
            Side b,
            java.util.function.Function<RunReport.Measurement, RunReport.Figure> figure,
            String format) {
        if (a.measurement() == null || b.measurement() == null) {
            cells.addAll(List.of("", ""));
            return;
        }
        RunReport.Figure before = figure.apply(a.measurement());
        RunReport.Figure after = figure.apply(b.measurement());
        cells.add(String.format(Locale.ROOT, format, after.value()));
        cells.add(change(before, after));
    }

    private static String change(RunReport.Figure before, RunReport.Figure after) {
        double difference = after.value() - before.value();
        if (difference == 0) {
            return "same";
        }
        String percent = before.value() == 0
                ? String.format(Locale.ROOT, "%+.3g", difference)
                : String.format(Locale.ROOT, "%+.2f %%", 100 * difference / Math.abs(before.value()));
        return Math.abs(difference) > CERTAIN * Math.hypot(before.error(), after.error()) ? percent + " *" : percent;
    }

    private static String gates(RunReport.OutputResult before, RunReport.OutputResult after) {
        boolean passed = after.passed();
        return before.passed() == passed ? (passed ? "" : "still failing") : passed ? "passing now" : "failing now";
    }

    /** For machines: a list of what both runs hold, with both values. */
    public List<Map<String, Object>> maps() {
        List<Map<String, Object>> maps = new ArrayList<>();
        for (Pair pair : pairs) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("source", pair.source());
            map.put("output", pair.output());
            if (pair.text() != null) {
                map.put("text", pair.text());
            }
            put(map, "first", pair.first());
            put(map, "second", pair.second());
            maps.add(map);
        }
        return maps;
    }

    private static void put(Map<String, Object> map, String name, @Nullable Side side) {
        if (side == null) {
            return;
        }
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("bytes", side.output().bytes());
        values.put("passed", side.output().passed());
        RunReport.Measurement measurement = side.measurement();
        if (measurement != null) {
            values.put("ppl", measurement.ppl().value());
            values.put("ppl_error", measurement.ppl().error());
            values.put("kld", measurement.kld().value());
            values.put("kld_error", measurement.kld().error());
            values.put("same_top", measurement.sameTop().value());
        }
        map.put(name, values);
    }
}
