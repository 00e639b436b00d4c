package dev.quern.report;

import dev.quern.io.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A run as one page that needs nothing else: styles, script, plots and figures are in it, and its security policy lets
 * it fetch nothing and run no script but its own. Tables are here for readers without scripts; plots are drawn by
 * {@code report.js} with uPlot.
 */
public final class HtmlReport {
    private static final Pattern PLACE = Pattern.compile("\\{\\{([a-z]+)}}");

    private HtmlReport() {}

    public static String page(RunReport report) {
        String plots = resource("uPlot.iife.min.js");
        String script = resource("report.js");
        Map<String, String> parts = Map.of(
                "title",
                escaped(report.name()),
                "policy",
                "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '" + digest(plots) + "' '"
                        + digest(script) + "'",
                "styles",
                resource("uPlot.min.css") + resource("report.css"),
                "verdict",
                verdict(report),
                "summary",
                summary(report),
                "remarks",
                list("choices", Summary.choices(report)) + list("remarks", Summary.remarks(report)),
                "provenance",
                provenance(report),
                "data",
                data(ReportFile.compact(report)),
                "plots",
                plots,
                "script",
                script);
        Matcher matcher = PLACE.matcher(resource("report.html"));
        StringBuilder out = new StringBuilder();
        while (matcher.find()) {
            matcher.appendReplacement(
                    out, Matcher.quoteReplacement(Objects.requireNonNull(parts.get(matcher.group(1)))));
        }
        return matcher.appendTail(out).toString();
    }

    private static String verdict(RunReport report) {
        String kind = switch (report.exitCode()) {
            case 0 -> "good";
            case 4 -> "gate";
            default -> "bad";
        };
        return "<p class=\"verdict " + kind + "\">" + escaped(Summary.verdict(report)) + "</p>";
    }

    private static String summary(RunReport report) {
        StringBuilder out = new StringBuilder("<table><thead><tr>");
        Summary.header(report)
                .forEach(name -> out.append("<th>").append(escaped(name)).append("</th>"));
        out.append("</tr></thead><tbody>");
        for (Summary.Line line : Summary.lines(report)) {
            out.append("<tr class=\"").append(kind(line)).append("\">");
            Summary.cells(report, line)
                    .forEach(cell -> out.append("<td>").append(escaped(cell)).append("</td>"));
            out.append("</tr>");
        }
        return out.append("</tbody></table>").toString();
    }

    private static String kind(Summary.Line line) {
        return switch (line.output().status()) {
            case REFUSED, FAILED -> "bad";
            case NOT_RUN -> "open";
            case DONE, UP_TO_DATE ->
                line.output().gates().stream().anyMatch(gate -> gate.verdict() == RunReport.Verdict.FAILED)
                        ? "gate"
                        : "good";
        };
    }

    private static String list(String name, List<String> lines) {
        if (lines.isEmpty()) {
            return "";
        }
        StringBuilder out = new StringBuilder("<ul class=\"").append(name).append("\">");
        lines.forEach(line -> out.append("<li>").append(escaped(line)).append("</li>"));
        return out.append("</ul>").toString();
    }

    private static String provenance(RunReport report) {
        StringBuilder out = new StringBuilder("<dl>");
        RunReport.Tool tool = report.tool();
        entry(out, "quern", tool.version());
        entry(out, "Java, system", tool.java() + ", " + tool.system());
        entry(out, "kernel, threads", tool.kernel() + ", " + tool.threads());
        entry(out, "started, took", report.started() + ", " + String.format(Locale.ROOT, "%.1f s", report.seconds()));
        entry(out, "command", String.join(" ", tool.command()));
        out.append("</dl><table class=\"files\"><thead><tr><th>file</th><th>is</th><th>bytes</th><th>SHA-256</th></tr>")
                .append("</thead><tbody>");
        RunReport.FileIdentity recipe = report.recipe();
        if (recipe != null) {
            file(out, "recipe", recipe);
        }
        report.texts()
                .forEach(text ->
                        file(out, text.role(), new RunReport.FileIdentity(text.name(), text.bytes(), text.sha256())));
        for (RunReport.SourceResult source : report.sources()) {
            source.files().forEach(file -> file(out, "source " + source.name(), file));
            source.outputs().stream()
                    .map(RunReport.OutputResult::file)
                    .filter(Objects::nonNull)
                    .forEach(file -> file(out, "output of " + source.name(), file));
        }
        return out.append("</tbody></table>").toString();
    }

    private static void entry(StringBuilder out, String name, String value) {
        out.append("<dt>")
                .append(escaped(name))
                .append("</dt><dd>")
                .append(escaped(value))
                .append("</dd>");
    }

    private static void file(StringBuilder out, String role, RunReport.FileIdentity file) {
        out.append("<tr><td>").append(escaped(file.name()));
        out.append("</td><td>").append(escaped(role));
        out.append("</td><td>").append(file.bytes());
        out.append("</td><td><code>").append(escaped(file.sha256())).append("</code></td></tr>");
    }

    /** Text as HTML shows it, in elements and in quoted attributes. */
    static String escaped(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> out.appendCodePoint(c);
            }
        });
        return out.toString();
    }

    /** JSON inside a script element: nothing in it can end the element or begin a comment. */
    static String data(String json) {
        return json.replace("<", "\\u003c")
                .replace(">", "\\u003e")
                .replace("&", "\\u0026")
                .replace("\u2028", "\\u2028")
                .replace("\u2029", "\\u2029");
    }

    private static String digest(String script) {
        byte[] hash = Sha256.digest().digest(script.getBytes(StandardCharsets.UTF_8));
        return "sha256-" + Base64.getEncoder().encodeToString(hash);
    }

    private static String resource(String name) {
        try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8).strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
