package dev.quern.cli;

import dev.quern.io.OutputFile;
import dev.quern.report.HtmlReport;
import dev.quern.report.Json;
import dev.quern.report.JunitReport;
import dev.quern.report.MarkdownReport;
import dev.quern.report.ReportFile;
import dev.quern.report.RunComparison;
import dev.quern.report.RunReport;
import dev.quern.report.Summary;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "report",
        description = "Shows a run's JSON report, turns it into its other forms, or compares two runs.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern report out/report.json                       the table again",
            "  quern report out/report.json --html page.html",
            "  quern report last-week.json out/report.json        what changed; * marks more than two standard errors"
        })
final class ReportCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(paramLabel = "REPORT", arity = "1..2", description = "One JSON report, or two to compare.")
    List<Path> reports = List.of();

    @Option(names = "--html", paramLabel = "FILE", description = "Write the page.")
    @Nullable
    Path html;

    @Option(names = "--markdown", paramLabel = "FILE", description = "Write Markdown, of one run or of the comparison.")
    @Nullable
    Path markdown;

    @Option(names = "--junit", paramLabel = "FILE", description = "Write JUnit XML.")
    @Nullable
    Path junit;

    @Option(names = "--force", description = "Replace files that exist.")
    boolean force;

    @Option(names = "--json", description = "Print JSON on stdout.")
    boolean json;

    @Option(names = "--quiet", description = "Print no table.")
    boolean quiet;

    @Override
    public Integer call() {
        RunReport first = ReportFile.read(reports.getFirst());
        if (reports.size() == 1) {
            write(html, HtmlReport.page(first));
            write(markdown, MarkdownReport.text(first));
            write(junit, JunitReport.xml(first));
            print(json ? ReportFile.json(first) : Summary.text(first));
            return 0;
        }
        if (html != null || junit != null) {
            throw Quern.usage(spec, "--html and --junit: expected one report, found two");
        }
        RunComparison comparison = RunComparison.of(first, ReportFile.read(reports.getLast()));
        write(markdown, comparison.markdown());
        print(json ? Json.pretty(comparison.maps()) + "\n" : comparison.text());
        return 0;
    }

    private void print(String text) {
        if (json || !quiet) {
            System.out.print(text);
        }
    }

    private void write(@Nullable Path path, String text) {
        if (path != null) {
            OutputFile.write(path, text, reports, force);
        }
    }
}
