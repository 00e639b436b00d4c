package dev.quern.report;

import dev.quern.report.RunReport.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A run in a table: a line for each output and text, and the sentences around it. All forms of a report show it. */
public final class Summary {
    private Summary() {}

    /** One line: an output, and how it did on a text, if it was measured. */
    record Line(
            RunReport.SourceResult source,
            RunReport.OutputResult output,
            RunReport.@Nullable Measurement measurement) {}

    static List<Line> lines(RunReport report) {
        List<Line> lines = new ArrayList<>();
        for (RunReport.SourceResult source : report.sources()) {
            for (RunReport.OutputResult output : source.outputs()) {
                if (output.measurements().isEmpty()) {
                    lines.add(new Line(source, output, null));
                }
                output.measurements().forEach(measurement -> lines.add(new Line(source, output, measurement)));
            }
        }
        return lines;
    }

    static List<String> header(RunReport report) {
        List<String> header = new ArrayList<>(List.of("source", "output"));
        if (report.measuredTexts().size() > 1) {
            header.add("text");
        }
        header.addAll(List.of(
                "status", "size", "bits/weight", "perplexity", "+/-", "increase", "KLD", "+/-", "same top", "gates"));
        return header;
    }

    static List<String> cells(RunReport report, Line line) {
        RunReport.OutputResult output = line.output();
        RunReport.Measurement measurement = line.measurement();
        List<String> cells = new ArrayList<>(List.of(line.source().name(), output.name()));
        if (report.measuredTexts().size() > 1) {
            cells.add(measurement == null ? "" : measurement.text());
        }
        cells.add(output.status().text());
        cells.add(output.file() == null ? "" : size(output.bytes()));
        cells.add(output.file() == null ? "" : String.format(Locale.ROOT, "%.2f", output.bitsPerWeight()));
        if (measurement == null) {
            cells.addAll(List.of("", "", "", "", "", ""));
        } else {
            cells.add(String.format(Locale.ROOT, "%.4f", measurement.ppl().value()));
            cells.add(String.format(Locale.ROOT, "%.4f", measurement.ppl().error()));
            cells.add(String.format(
                    Locale.ROOT, "%+.2f %%", 100 * (measurement.pplRatio().value() - 1)));
            cells.add(String.format(Locale.ROOT, "%.5f", measurement.kld().value()));
            cells.add(String.format(Locale.ROOT, "%.5f", measurement.kld().error()));
            cells.add(String.format(
                    Locale.ROOT, "%.2f %%", 100 * measurement.sameTop().value()));
        }
        cells.add(gates(output));
        return cells;
    }

    /** {@code 2 passed, 1 failed}. */
    private static String gates(RunReport.OutputResult output) {
        List<String> parts = new ArrayList<>();
        for (Verdict verdict : Verdict.values()) {
            long count = output.gates().stream()
                    .filter(gate -> gate.verdict() == verdict)
                    .count();
            if (count > 0) {
                parts.add(count + " " + verdict.text());
            }
        }
        return String.join(", ", parts);
    }

    /** For a terminal. */
    public static String text(RunReport report) {
        Table table = new Table(header(report).toArray(String[]::new));
        lines(report).forEach(line -> table.add(cells(report, line).toArray(String[]::new)));
        StringBuilder out = new StringBuilder(table.text());
        block(out, choices(report));
        block(out, remarks(report));
        return out.append('\n').append(verdict(report)).append('\n').toString();
    }

    private static void block(StringBuilder out, List<String> lines) {
        if (!lines.isEmpty()) {
            out.append('\n');
            lines.forEach(line -> out.append(line).append('\n'));
        }
    }

    /** What choosing types for a size and codes together has come to, a line for each output of which it was done. */
    static List<String> choices(RunReport report) {
        List<String> lines = new ArrayList<>();
        for (RunReport.SourceResult source : report.sources()) {
            for (RunReport.OutputResult output : source.outputs()) {
                String name = source.name() + "/" + output.name() + ": ";
                if (output.allocation() != null) {
                    lines.add(name + chosen(output.allocation()));
                }
                if (!output.codesChosenTogether().isEmpty()) {
                    lines.add(name + gain(output.codesChosenTogether()));
                }
            }
        }
        return lines;
    }

    private static String chosen(RunReport.Allocation allocation) {
        return String.format(
                Locale.ROOT,
                "types of %d tensors were chosen for %s: predicted KLD %.5f%s",
                allocation.tensors().size(),
                allocation.target(),
                allocation.kld(),
                allocation.gap() == 0
                        ? ", the least at this size"
                        : String.format(
                                Locale.ROOT,
                                ", of which at most %.2g %% could be spared at this size",
                                100 * allocation.gap()));
    }

    private static String gain(List<RunReport.Gain> gains) {
        long kept = gains.stream().filter(gain -> gain.kept() > 0).count();
        double[] ratios =
                gains.stream().mapToDouble(RunReport.Gain::ratio).sorted().toArray();
        double median = (ratios[(ratios.length - 1) / 2] + ratios[ratios.length / 2]) / 2;
        return String.format(
                Locale.ROOT,
                "codes chosen together were kept in %d of %d tensors; median error of their layers on text held back:"
                        + " %.2f of the reference's",
                kept,
                gains.size(),
                median);
    }

    /** What went wrong, a line each. */
    static List<String> remarks(RunReport report) {
        List<String> remarks = new ArrayList<>();
        for (RunReport.SourceResult source : report.sources()) {
            if (source.message() != null) {
                remarks.add(source.name() + " " + source.status().text() + ": " + source.message());
            } else if (source.status() == RunReport.Status.NOT_RUN) {
                remarks.add(source.name() + " not run: an earlier source was refused or failed");
            }
            for (RunReport.OutputResult output : source.outputs()) {
                for (RunReport.GateResult gate : output.gates()) {
                    if (gate.verdict() == Verdict.FAILED) {
                        remarks.add("gate " + source.name() + "/" + output.name()
                                + (gate.text() == null ? "" : " on " + gate.text()) + ": " + gate.gate()
                                + " failed: " + gate.message());
                    }
                }
            }
        }
        return remarks;
    }

    /** The run in a sentence. */
    static String verdict(RunReport report) {
        long refused = count(report, RunReport.Status.REFUSED);
        long failed = count(report, RunReport.Status.FAILED);
        long open = count(report, RunReport.Status.NOT_RUN);
        StringBuilder out = new StringBuilder();
        out.append(report.sources().size()).append(report.sources().size() == 1 ? " source" : " sources");
        out.append(refused == 0 ? "" : ", " + refused + " refused");
        out.append(failed == 0 ? "" : ", " + failed + " failed");
        out.append(open == 0 ? "" : ", " + open + " not run");
        out.append(String.format(
                Locale.ROOT,
                "; gates: %d passed, %d failed",
                report.gates(Verdict.PASSED),
                report.gates(Verdict.FAILED)));
        long unjudged = report.gates(Verdict.NOT_JUDGED);
        out.append(unjudged == 0 ? "" : ", " + unjudged + " not judged");
        return out.append("; exit code ").append(report.exitCode()).toString();
    }

    private static long count(RunReport report, RunReport.Status status) {
        return report.sources().stream()
                .filter(source -> source.status() == status)
                .count();
    }

    static String size(long bytes) {
        return bytes >= 1_000_000_000
                ? String.format(Locale.ROOT, "%.2f GB", bytes / 1e9)
                : String.format(Locale.ROOT, "%.2f MB", bytes / 1e6);
    }
}
