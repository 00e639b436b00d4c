package dev.quern.batch;

import dev.quern.concurrent.Workers;
import dev.quern.io.OutputException;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Progress;
import dev.quern.quantization.Kernel;
import dev.quern.report.HtmlReport;
import dev.quern.report.JunitReport;
import dev.quern.report.MarkdownReport;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import dev.quern.report.RunReport.Verdict;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Carries a recipe out. What an earlier run has done and nothing has changed since is not done again, so the same
 * command goes on where an interrupted one stopped. Reports are written anew whenever a source is finished.
 */
public final class Batch {
    /** Exit codes, the worst last: one run can earn several. */
    private static final List<Integer> BY_GRAVITY = List.of(0, 4, 3, 1);

    /**
     * @param threads of all sources together
     * @param only patterns of which one must match a source, an output, or SOURCE/OUTPUT; none means all
     * @param force whether everything is done again, and files that no run made are replaced
     * @param version Quern's, part of what results depend on
     * @param command as it was typed, for the report
     */
    public record Options(
            int threads,
            int concurrency,
            boolean continueOnError,
            Kernel kernel,
            List<String> only,
            boolean force,
            String version,
            List<String> command) {}

    /** Hears what goes on; called from several threads when several sources are worked on. */
    public interface Listener {
        void say(String line);

        /** An error of the program itself. */
        void trace(RuntimeException error);

        /** @param unit what is counted */
        Progress progress(String unit);
    }

    private final Recipe recipe;
    private final Options options;
    private final Listener listener;
    private final Map<Recipe.Input, List<Recipe.Output>> work;
    private final RunReport.@Nullable SourceResult[] results;
    private final String started = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    private final long begun = System.nanoTime();

    private Batch(Recipe recipe, Options options, Listener listener) {
        this.recipe = recipe;
        this.options = options;
        this.listener = listener;
        this.work = selected(recipe, options.only());
        this.results = new RunReport.SourceResult[work.size()];
    }

    /** @throws RefusedException when no source and output match */
    static Map<Recipe.Input, List<Recipe.Output>> selected(Recipe recipe, List<String> only) {
        Map<Recipe.Input, List<Recipe.Output>> selected = new LinkedHashMap<>();
        for (Recipe.Input source : recipe.sources()) {
            List<Recipe.Output> outputs = recipe.outputs().stream()
                    .filter(output -> only.isEmpty()
                            || only.stream().anyMatch(p -> Recipe.matches(p, source.name(), output.name())))
                    .toList();
            if (!outputs.isEmpty()) {
                selected.put(source, outputs);
            }
        }
        if (selected.isEmpty()) {
            throw new RefusedException(
                    recipe.file(),
                    "no source and output match --only " + String.join(", ", only),
                    "sources: "
                            + String.join(
                                    ", ",
                                    recipe.sources().stream()
                                            .map(Recipe.Input::name)
                                            .toList())
                            + "; outputs: "
                            + String.join(
                                    ", ",
                                    recipe.outputs().stream()
                                            .map(Recipe.Output::name)
                                            .toList()));
        }
        return selected;
    }

    /**
     * @return what was done and found; its exit code is the worst of 1 (failed), 3 (an input refused), 4 (a gate not
     *     passed) and 0
     * @throws RefusedException when another run works in the output directory, or nothing is selected
     * @throws dev.quern.io.InputException when the baseline or the record of earlier runs cannot be read
     */
    public static RunReport run(Recipe recipe, Options options, Listener listener) {
        return new Batch(recipe, options, listener).run();
    }

    private RunReport run() {
        Optional<RunReport> baseline = recipe.baseline().map(ReportFile::read);
        GateJudge judge = new GateJudge(recipe, baseline);
        refuseReportsInPlaceOfInputs();
        try (RunRecord record = RunRecord.hold(recipe.directory())) {
            List<RunReport.TextFile> texts = texts(record);
            int index = 0;
            for (Map.Entry<Recipe.Input, List<Recipe.Output>> entry : work.entrySet()) {
                results[index++] = SourceRun.notRun(entry.getKey(), entry.getValue(), judge);
            }
            runAll(record, judge, texts);
            return publish(texts);
        }
    }

    /** A report replaces that of an earlier run, and nothing that is read. */
    private void refuseReportsInPlaceOfInputs() {
        List<Path> read = new ArrayList<>(recipe.texts());
        read.add(recipe.file());
        recipe.sources().forEach(source -> read.add(source.path()));
        recipe.reports().paths().filter(Files::exists).forEach(path -> OutputFile.check(path, read, true));
    }

    private void runAll(RunRecord record, GateJudge judge, List<RunReport.TextFile> texts) {
        AtomicBoolean stopped = new AtomicBoolean();
        int threads = Math.max(1, options.threads() / options.concurrency());
        List<Map.Entry<Recipe.Input, List<Recipe.Output>>> entries = List.copyOf(work.entrySet());
        try (Workers workers = new Workers(options.concurrency(), "source")) {
            workers.each(entries.size(), (at, worker) -> {
                if (stopped.get()) {
                    return;
                }
                RunReport.SourceResult result = new SourceRun(new SourceWork(
                                recipe,
                                entries.get(at).getKey(),
                                entries.get(at).getValue(),
                                record,
                                options,
                                listener,
                                threads))
                        .run(judge);
                boolean broken = result.status() == Status.FAILED || result.status() == Status.REFUSED;
                if (broken && !options.continueOnError()) {
                    stopped.set(true);
                }
                finished(at, result, texts);
            });
        }
    }

    /** A run that is ended later leaves a report of what it got to. */
    private synchronized void finished(int index, RunReport.SourceResult result, List<RunReport.TextFile> texts) {
        results[index] = result;
        publish(texts);
    }

    private synchronized RunReport publish(List<RunReport.TextFile> texts) {
        RunReport report = report(texts);
        Recipe.Reports reports = recipe.reports();
        reports.json().ifPresent(path -> write(path, ReportFile.json(report)));
        reports.html().ifPresent(path -> write(path, HtmlReport.page(report)));
        reports.markdown().ifPresent(path -> write(path, MarkdownReport.text(report)));
        reports.junit().ifPresent(path -> write(path, JunitReport.xml(report)));
        return report;
    }

    private static void write(Path path, String text) {
        RunRecord.write(path, text.getBytes(StandardCharsets.UTF_8));
    }

    private RunReport report(List<RunReport.TextFile> texts) {
        List<RunReport.SourceResult> sources = new ArrayList<>();
        for (RunReport.SourceResult result : results) {
            sources.add(java.util.Objects.requireNonNull(result));
        }
        RunReport.Tool tool = new RunReport.Tool(
                options.version(),
                System.getProperty("java.vm.version"),
                System.getProperty("os.name") + " " + System.getProperty("os.arch"),
                options.kernel().name().toLowerCase(java.util.Locale.ROOT),
                options.threads(),
                options.command());
        return new RunReport(
                RunReport.FORMAT,
                RunReport.VERSION,
                recipe.name(),
                tool,
                started,
                (System.nanoTime() - begun) / 1e9,
                exitCode(sources),
                new RunReport.FileIdentity(
                        String.valueOf(recipe.file().getFileName()), size(recipe.file()), recipe.sha256()),
                texts,
                sources);
    }

    private static int exitCode(List<RunReport.SourceResult> sources) {
        int worst = 0;
        for (RunReport.SourceResult source : sources) {
            worst = worse(
                    worst,
                    switch (source.status()) {
                        case FAILED -> 1;
                        case REFUSED -> 3;
                        case DONE, UP_TO_DATE, NOT_RUN -> 0;
                    });
            boolean failed = source.outputs().stream()
                    .flatMap(output -> output.gates().stream())
                    .anyMatch(gate -> gate.verdict() == Verdict.FAILED);
            worst = worse(worst, failed ? 4 : 0);
        }
        return worst;
    }

    private static int worse(int a, int b) {
        return BY_GRAVITY.indexOf(a) >= BY_GRAVITY.indexOf(b) ? a : b;
    }

    private List<RunReport.TextFile> texts(RunRecord record) {
        List<RunReport.TextFile> texts = new ArrayList<>();
        recipe.calibration().ifPresent(calibration -> texts.add(text(record, calibration.text(), "calibration")));
        recipe.evaluation()
                .ifPresent(
                        evaluation -> evaluation.texts().forEach(path -> texts.add(text(record, path, "evaluation"))));
        recipe.outputs().stream()
                .map(Recipe.Output::target)
                .flatMap(Optional::stream)
                .map(Recipe.Target::text)
                .flatMap(Optional::stream)
                .distinct()
                .forEach(path -> texts.add(text(record, path, "influence")));
        return texts;
    }

    private static RunReport.TextFile text(RunRecord record, Path path, String role) {
        return new RunReport.TextFile(String.valueOf(path.getFileName()), role, size(path), record.sha256(path));
    }

    private static long size(Path path) {
        try {
            return Files.size(path);
        } catch (IOException e) {
            throw OutputException.of(path, "cannot be read", e);
        }
    }
}
