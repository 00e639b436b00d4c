package dev.quern.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A table of short texts, aligned for a terminal or as Markdown. Columns after the first are flush right. */
public final class Table {
    private final List<String> header;
    private final List<List<String>> rows = new ArrayList<>();

    public Table(String... header) {
        this.header = List.of(header);
    }

    public void add(String... cells) {
        if (cells.length != header.size()) {
            throw new IllegalArgumentException(cells.length + " cells under " + header.size() + " headings");
        }
        rows.add(List.of(cells));
    }

    /** Aligned with spaces, a rule under the headings. */
    public String text() {
        int[] widths = widths();
        String rule = IntStream.of(widths).mapToObj("-"::repeat).collect(Collectors.joining("  "));
        StringBuilder out = new StringBuilder();
        out.append(line(header, widths, "  ")).append('\n').append(rule).append('\n');
        rows.forEach(row -> out.append(line(row, widths, "  ")).append('\n'));
        return out.toString();
    }

    public String markdown() {
        int[] widths = widths();
        StringBuilder out = new StringBuilder();
        out.append("| ").append(line(header, widths, " | ")).append(" |\n|");
        for (int column = 0; column < widths.length; column++) {
            out.append("-".repeat(widths[column] + 1)).append(column == 0 ? "-|" : ":|");
        }
        out.append('\n');
        rows.forEach(row -> out.append("| ").append(line(row, widths, " | ")).append(" |\n"));
        return out.toString();
    }

    private int[] widths() {
        return IntStream.range(0, header.size())
                .map(column -> Math.max(
                        header.get(column).length(),
                        rows.stream()
                                .mapToInt(row -> row.get(column).length())
                                .max()
                                .orElse(0)))
                .toArray();
    }

    private static String line(List<String> cells, int[] widths, String between) {
        return IntStream.range(0, cells.size())
                .mapToObj(column -> {
                    String space = " ".repeat(widths[column] - cells.get(column).length());
                    return column == 0 ? cells.get(column) + space : space + cells.get(column);
                })
                .collect(Collectors.joining(between))
                .stripTrailing();
    }
}
