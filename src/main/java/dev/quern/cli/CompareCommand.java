package dev.quern.cli;

import dev.quern.evaluation.BaseFile;
import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.pipeline.EvaluatedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "compare",
        description = "Measures how far candidates are from their base: perplexity ratio, Kullback-Leibler divergence, "
                + "changed probabilities, each with its error; all in one run, without a file of logits.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern compare -m q4.gguf --base f16.gguf -f heldout.txt",
            "  quern compare -m q4.gguf q5.gguf --base llama-7b/ -f heldout.txt --chunks 100",
            "  quern compare -m q4.gguf --base f16.gguf -f heldout.txt --gate 'kld<=0.03' --gate 'ppl_increase<=2%%'",
            "",
            "A gate is a name, one of <= < >= >, and a value. Names: kld, kld_upper (of its 95 %% interval),"
                    + " kld_median,",
            "kld_p90, kld_p95, kld_p99, kld_p999, kld_max, ppl, ppl_ratio, ln_ppl_ratio; with a percentage or a",
            "fraction ppl_increase, ppl_increase_upper, same_top, mean_dp, rms_dp; with KB, MB, GB, KiB … size.",
            "Every candidate has to pass every gate; otherwise the exit code is 4."
        })
final class CompareCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "CANDIDATE",
            arity = "1..*",
            description = "GGUF files or checkpoints to judge, one or several.")
    List<Path> candidates = List.of();

    @Option(names = "--base", paramLabel = "MODEL", description = "The model that the candidates were made from.")
    @Nullable
    Path base;

    @Option(
            names = "--kl-divergence-base",
            paramLabel = "FILE",
            description =
                    "Read the base's log probabilities from this file, as llama-perplexity or --save-base wrote it, "
                            + "instead of computing them.")
    @Nullable
    Path baseFile;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "TEXT",
            description = "A text that the models have not seen. With --kl-divergence-base it may be left out; given, "
                    + "it must be the one that the file was made from.")
    @Nullable
    Path text;

    @Option(
            names = "--save-base",
            paramLabel = "FILE",
            description = "Also write the base's log probabilities as llama-perplexity's --kl-divergence-base does.")
    @Nullable
    Path saveBase;

    @Option(names = "--force", description = "Replace the file of --save-base if it exists.")
    boolean force;

    @Option(
            names = "--gate",
            paramLabel = "EXPRESSION",
            description = "A condition such as kld<=0.03 or ppl_increase<=2%% that every candidate must meet; may be "
                    + "given several times.")
    List<String> gates = List.of();

    @Option(
            names = "--per-window",
            description = "Print the figures up to and with each window too, as llama-perplexity does.")
    boolean perWindow;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    EvaluationOptions options;

    @Override
    public Integer call() {
        options.check(spec);
        List<Gate> parsed = check();
        List<EvaluatedModel> opened = new ArrayList<>();
        try {
            for (Path candidate : candidates) {
                opened.add(EvaluatedModel.open(candidate));
            }
            ComparisonReport report = new ComparisonReport(options, perWindow, names(candidates), parsed);
            Path given = base;
            if (given != null) {
                try (EvaluatedModel reference = EvaluatedModel.open(given)) {
                    return againstModel(reference, opened, report);
                }
            }
            return againstFile(java.util.Objects.requireNonNull(baseFile), opened, report);
        } finally {
            opened.forEach(EvaluatedModel::close);
        }
    }

    private List<Gate> check() {
        if ((base == null) == (baseFile == null)) {
            throw Quern.usage(spec, "expected either --base MODEL or --kl-divergence-base FILE");
        }
        if (base != null && text == null) {
            throw Quern.usage(spec, "expected -f TEXT to compare on");
        }
        if (base == null && saveBase != null) {
            throw Quern.usage(spec, "--save-base needs --base MODEL: a base file is already one");
        }
        if (candidates.isEmpty() && saveBase == null) {
            throw Quern.usage(spec, "expected -m CANDIDATE, at least one (or --save-base FILE)");
        }
        if (candidates.isEmpty() && !gates.isEmpty()) {
            throw Quern.usage(spec, "--gate needs a candidate to judge");
        }
        try {
            return gates.stream().map(Gate::parse).toList();
        } catch (Gate.Unreadable e) {
            throw Quern.usage(spec, String.valueOf(e.getMessage()));
        }
    }

    /** File names, or paths where two candidates share one. */
    static List<String> names(List<Path> candidates) {
        List<String> names = candidates.stream()
                .map(path -> path.toAbsolutePath().normalize().getFileName())
                .map(String::valueOf)
                .toList();
        return names.stream().distinct().count() == names.size()
                ? names
                : candidates.stream().map(Path::toString).toList();
    }

    private int againstModel(EvaluatedModel reference, List<EvaluatedModel> opened, ComparisonReport report) {
        Text read = EvaluationOptions.read(java.util.Objects.requireNonNull(text), options.talk());
        reference.requirePredictions();
        int[] tokens = reference.tokens(read);
        for (EvaluatedModel candidate : opened) {
            requireSameTokens(reference, tokens, candidate, candidate.tokens(read));
        }
        Windows windows =
                Windows.halves(read.origin(), tokens, reference.beginning(), options.context, options.mostWindows());
        List<Forward> forwards = new ArrayList<>();
        try (Forward model = forward(reference, windows.length(), opened.size() + 1)) {
            forwards(
                    opened,
                    windows.length(),
                    opened.size() + 1,
                    model.vocabulary(),
                    reference.source().path(),
                    forwards);
            Comparison comparison = Comparison.of(windows, model, forwards);
            Path target = saveBase;
            if (target == null) {
                return report.run(comparison, windows, opened);
            }
            List<Path> inputs = new ArrayList<>(reference.source().model().paths());
            opened.forEach(candidate -> inputs.addAll(candidate.source().model().paths()));
            inputs.add(java.util.Objects.requireNonNull(text));
            long size = Comparison.baseFileSize(windows, model.vocabulary());
            try (OutputFile output = OutputFile.create(target, size, inputs, force)) {
                comparison.saveTo(output);
                int code = report.run(comparison, windows, opened);
                options.talk().say("base: " + output.commit() + ", " + Talk.size(size));
                return code;
            }
        } finally {
            forwards.forEach(Forward::close);
        }
    }

    private int againstFile(Path path, List<EvaluatedModel> opened, ComparisonReport report) {
        List<Forward> forwards = new ArrayList<>();
        try (BaseFile file = BaseFile.open(path)) {
            EvaluatedModel first = opened.getFirst();
            if (spec.commandLine().getParseResult().hasMatchedOption("-c") && options.context != file.window()) {
                throw Quern.usage(
                        spec, "-c: expected the base file's " + file.window() + " tokens, found " + options.context);
            }
            Path given = text;
            for (EvaluatedModel candidate : opened) {
                candidate.requirePredictions();
                if (given != null) {
                    Text read = EvaluationOptions.read(given, options.talk());
                    file.requireText(read.origin(), candidate.tokens(read));
                }
            }
            Windows windows = file.windows(first.beginning(), options.mostWindows());
            forwards(opened, file.window(), opened.size(), file.vocabulary(), path, forwards);
            return report.run(Comparison.of(windows, file, forwards), windows, opened);
        } finally {
            forwards.forEach(Forward::close);
        }
    }

    private void forwards(
            List<EvaluatedModel> opened, int window, int models, int vocabulary, Path base, List<Forward> forwards) {
        for (EvaluatedModel candidate : opened) {
            Forward forward = forward(candidate, window, models);
            forwards.add(forward);
            if (forward.vocabulary() != vocabulary) {
                throw InputException.of(
                                candidate.source().path(),
                                "expected the " + vocabulary + " tokens of the vocabulary of " + base + ", found "
                                        + forward.vocabulary())
                        .withHint("only models with one vocabulary can be compared");
            }
        }
    }

    /** The models share the memory that one evaluation takes. */
    private Forward forward(EvaluatedModel model, int window, int models) {
        return model.forward(window, options.threads(), Forward.DEFAULT_MEMORY / models);
    }

    private static void requireSameTokens(EvaluatedModel base, int[] tokens, EvaluatedModel candidate, int[] other) {
        int at = Arrays.mismatch(tokens, other);
        if (at >= 0 || !base.beginning().equals(candidate.beginning())) {
            throw InputException.of(
                            candidate.source().path(),
                            at < 0
                                    ? "its vocabulary begins a text with another token than that of "
                                            + base.source().path()
                                    : String.format(
                                            Locale.ROOT,
                                            "its vocabulary makes other tokens of the text than that of %s, from token"
                                                    + " %d on",
                                            base.source().path(),
                                            at))
                    .withHint("only models with one vocabulary can be compared");
        }
    }
}
