package dev.quern.report;

import java.util.ArrayList;
import java.util.List;

/** Two texts in two columns, lines broken at spaces. */
public final class SideBySide {
    private SideBySide() {}

    /** @param width characters of a column */
    public static String text(String leftTitle, String left, String rightTitle, String right, int width) {
        List<String> leftLines = lines(left, width);
        List<String> rightLines = lines(right, width);
        StringBuilder out = new StringBuilder();
        row(out, cut(leftTitle, width), cut(rightTitle, width), width);
        row(out, "-".repeat(width), "-".repeat(width), width);
        for (int i = 0; i < Math.max(leftLines.size(), rightLines.size()); i++) {
            row(
                    out,
                    i < leftLines.size() ? leftLines.get(i) : "",
                    i < rightLines.size() ? rightLines.get(i) : "",
                    width);
        }
        return out.toString();
    }

    private static void row(StringBuilder out, String left, String right, int width) {
        int missing = width - left.codePointCount(0, left.length());
        out.append((left + " ".repeat(missing) + " | " + right).stripTrailing()).append('\n');
    }

    private static String cut(String title, int width) {
        return title.codePointCount(0, title.length()) <= width
                ? title
                : title.substring(0, title.offsetByCodePoints(0, width));
    }

    /** Lines of at most {@code width} characters; control characters but the newline become spaces. */
    static List<String> lines(String text, int width) {
        List<String> lines = new ArrayList<>();
        for (String paragraph : text.replaceAll("[\\p{Cntrl}&&[^\n]]", " ").split("\n", -1)) {
            String rest = paragraph;
            while (rest.codePointCount(0, rest.length()) > width) {
                int end = rest.offsetByCodePoints(0, width);
                int space = rest.lastIndexOf(' ', end);
                int cut = space > 0 ? space : end;
                lines.add(rest.substring(0, cut));
                rest = rest.substring(space > 0 ? cut + 1 : cut);
            }
            lines.add(rest);
        }
        return lines;
    }
}
