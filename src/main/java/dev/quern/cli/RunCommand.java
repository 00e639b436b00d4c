package dev.quern.cli;

import dev.quern.batch.Batch;
import dev.quern.batch.BatchPlan;
import dev.quern.batch.Recipe;
import dev.quern.batch.RecipeReader;
import dev.quern.io.Shutdown;
import dev.quern.pipeline.Progress;
import dev.quern.quantization.Kernel;
import dev.quern.report.Json;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import dev.quern.report.Summary;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "run",
        description =
                "Carries a recipe out: many sources, types, gates and reports in one run. What is done and has not "
                        + "changed is not done again, so the same command goes on where an interrupted one stopped.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        exitCodeListHeading = "%nExit codes (of several the worst: 1, then 3, then 4):%n",
        exitCodeList = {
            "0:everything is done and every gate passed",
            "4:a gate was not passed",
            "3:the recipe or a source was refused",
            "1:a step failed: a disk that is full, a file that is in the way; or ended by a signal",
            "2:usage, or another run works in the output directory"
        },
        footer = {
            "",
            "Examples:",
            "  quern run nightly.yaml --dry-run              what would be done, and why",
            "  quern run nightly.yaml --only 'llama-*/Q4_K_M'",
            "",
            "A recipe:",
            "  version: 1",
            "  sources: [\"$${MODELS}/llama-*\"]",
            "  outputs: [Q8_0, {type: Q4_K_M, token_embedding_type: Q8_0}]",
            "  evaluation: {texts: [heldout.txt], chunks: 100}",
            "  gates: {all: {size: 8GB}, Q4_K_M: {ppl_increase: 2%%, kld: 0.03, same_top: 91%%}}",
            "formats/recipe.schema.json describes all of it, for people and editors."
        })
final class RunCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(paramLabel = "RECIPE", description = "A YAML (or JSON) file.")
    @SuppressWarnings("NullAway.Init")
    Path recipe;

    @Option(names = "--dry-run", description = "Print what would be done, and why. Write nothing.")
    boolean dryRun;

    @Option(
            names = "--only",
            paramLabel = "PATTERN",
            description = "A source, an output, or SOURCE/OUTPUT; * and ? match; repeatable.")
    List<String> only = new ArrayList<>();

    @Option(names = "--force", description = "Do everything again, and replace files that no run has made.")
    boolean force;

    @Option(names = "--continue-on-error", description = "Go on with other sources when one fails (as in the recipe).")
    boolean continueOnError;

    @Option(
            names = "--concurrency",
            paramLabel = "N",
            description = "Sources worked on at once (default: the recipe's).")
    @Nullable
    Integer concurrency;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Worker threads (default: the recipe's, or all cores).")
    @Nullable
    Integer threads;

    @Option(names = "--json", description = "Print the plan or the report as JSON on stdout.")
    boolean json;

    @Option(names = "--quiet", description = "Say nothing but the result and errors.")
    boolean quiet;

    @Override
    public Integer call() {
        positive("--threads", threads);
        positive("--concurrency", concurrency);
        Recipe read = RecipeReader.read(recipe, System.getenv());
        if (dryRun) {
            BatchPlan plan = BatchPlan.of(read, only, force, Version.text());
            System.out.print(json ? Json.pretty(plan.map()) + "\n" : plan.text());
            return plan.refused() ? Quern.REFUSED : 0;
        }
        Talk talk = new Talk(quiet);
        int parallel = concurrency == null ? read.concurrency() : concurrency;
        Batch.Options options = new Batch.Options(
                threads != null
                        ? threads
                        : read.threads().orElse(Runtime.getRuntime().availableProcessors()),
                parallel,
                continueOnError || read.continueOnError(),
                Kernel.SIMD,
                only,
                force,
                Version.text(),
                command());
        RunReport report;
        try (var _ = Interruption.saying(() -> Shutdown.say("interrupted: what is done is kept in " + read.directory()
                + "; the same command goes on from there"))) {
            report = Batch.run(read, options, listener(talk, parallel));
        }
        System.out.print(json ? ReportFile.json(report) : Summary.text(report));
        return report.exitCode();
    }

    private void positive(String option, @Nullable Integer value) {
        if (value != null && value < 1) {
            throw Quern.usage(spec, option + ": expected at least 1, found " + value);
        }
    }

    private List<String> command() {
        List<String> words = new ArrayList<>(List.of("quern"));
        words.addAll(spec.commandLine().getParseResult().originalArgs());
        return words;
    }

    private static Batch.Listener listener(Talk talk, int parallel) {
        return new Batch.Listener() {
            @Override
            public void say(String line) {
                talk.say(line);
            }

            @Override
            public void trace(RuntimeException error) {
                error.printStackTrace();
            }

            @Override
            public Progress progress(String unit) {
                // Bars of several sources would write over each other.
                return parallel == 1 ? talk.progress(unit) : Progress.SILENT;
            }
        };
    }
}
