package dev.quern.report;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** A run as Markdown, for a job summary. */
public final class MarkdownReport {
    private MarkdownReport() {}

    public static String text(RunReport report) {
        StringBuilder out =
                new StringBuilder("## ").append(escaped(report.name())).append("\n\n");
        out.append(report.exitCode() == 0 ? "**Done.** " : "**Not all is well.** ")
                .append(escaped(Summary.verdict(report)))
                .append("\n\n");
        List<String> header = Summary.header(report);
        row(out, header);
        row(
                out,
                header.stream()
                        .map(name -> header.indexOf(name) < 2 || name.equals("status") ? "---" : "--:")
                        .toList());
        Summary.lines(report).forEach(line -> row(out, Summary.cells(report, line)));
        list(out, Summary.choices(report));
        list(out, Summary.remarks(report));
        return out.append(String.format(
                        Locale.ROOT,
                        "\n<sub>quern %s, %.1f s, %s</sub>\n",
                        escaped(report.tool().version()),
                        report.seconds(),
                        escaped(report.started())))
                .toString();
    }

    private static void list(StringBuilder out, List<String> lines) {
        if (!lines.isEmpty()) {
            out.append('\n');
            lines.forEach(line -> out.append("- ").append(escaped(line)).append('\n'));
        }
    }

    private static void row(StringBuilder out, List<String> cells) {
        out.append(cells.stream().map(MarkdownReport::escaped).collect(Collectors.joining(" | ", "| ", " |\n")));
    }

    /** Text as Markdown shows it: on one line, no cell's end, no markup, no HTML, nobody called by an at sign. */
    static String escaped(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '@' -> out.append("&#64;");
                case '|', '*', '_', '`', '[', ']', '\\', '#', '~', '!' ->
                    out.append('\\').append(c);
                default -> out.append(Character.isISOControl(c) ? ' ' : c);
            }
        }
        return out.toString();
    }
}
