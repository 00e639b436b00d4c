package dev.quern.cli;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.VectorComparison;
import dev.quern.report.Table;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** How far candidates' vectors are from their base's, for people and as JSON. */
record EmbedReport(EmbedTexts texts, List<Compared> candidates) {
    /** @param bytes of its files */
    record Compared(String name, Path path, long bytes, VectorComparison comparison, List<Gate> gates) {
        List<Gate.Verdict> verdicts() {
            var measured = comparison.quantities(bytes);
            return gates.stream().map(gate -> gate.judge(measured)).toList();
        }
    }

    /** Whether every candidate meets every gate. */
    boolean passed() {
        return candidates.stream()
                .flatMap(candidate -> candidate.verdicts().stream())
                .allMatch(Gate.Verdict::passed);
    }

    String text() {
        Table table = new Table("candidate", "MB", "mean cosine", "minimum", "of", "same nearest");
        for (Compared candidate : candidates) {
            VectorComparison found = candidate.comparison();
            table.add(
                    candidate.name(),
                    String.format(Locale.ROOT, "%.2f", candidate.bytes() / 1e6),
                    String.format(Locale.ROOT, "%.6f", found.mean()),
                    String.format(Locale.ROOT, "%.6f", found.minimum()),
                    texts.name(found.least()),
                    found.sameNearest().isPresent() ? found.sameNearest().getAsInt() + " of " + texts.count() : "-");
        }
        StringBuilder out = new StringBuilder(table.text());
        String before = "\n";
        for (Compared candidate : candidates) {
            for (Gate.Verdict verdict : candidate.verdicts()) {
                out.append(before)
                        .append("gate ")
                        .append(candidate.name())
                        .append(": ")
                        .append(verdict.text())
                        .append('\n');
                before = "";
            }
        }
        return out.toString();
    }

    Map<String, Object> map() {
        List<Map<String, Object>> list = new ArrayList<>();
        for (Compared candidate : candidates) {
            VectorComparison found = candidate.comparison();
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("model", candidate.path().toString());
            map.put("size", candidate.bytes());
            map.put("cosine_mean", found.mean());
            map.put("cosine_min", found.minimum());
            map.put("cosine_min_of", found.least() + 1);
            map.put(
                    "same_nearest",
                    found.sameNearest().isPresent() ? found.sameNearest().getAsInt() : null);
            map.put("cosines", found.cosines());
            map.put(
                    "gates",
                    candidate.verdicts().stream().map(ComparisonReport::map).toList());
            list.add(map);
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("candidates", list);
        return map;
    }
}
