package dev.quern.cli;

import dev.quern.evaluation.Perplexity;
import dev.quern.evaluation.Text;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.DivergenceReport;
import dev.quern.report.Json;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "perplexity",
        description =
                "Measures a model's perplexity on a text by llama-perplexity's method, with activations in float.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class PerplexityCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    ModelOption model;

    /** {@code -f} and {@code -bf}: one text or one file of tasks, under either name. */
    static final class Input {
        @Option(
                names = {"-f", "--file"},
                paramLabel = "TEXT",
                required = true,
                description = "A text that the model has not seen; or the tasks of one of the flags below.")
        @Nullable
        Path text;

        @Option(
                names = {"-bf", "--binary-file"},
                paramLabel = "FILE",
                required = true,
                description = "The same, as llama-perplexity names the file of --multiple-choice.")
        @Nullable
        Path binary;

        Path path() {
            return java.util.Objects.requireNonNull(text == null ? binary : text);
        }
    }

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init")
    Input input;

    @Option(
            names = "--ppl-stride",
            paramLabel = "N",
            description = "Overlapping windows, N tokens apart, each asked for its last N tokens. A window is then "
                    + "the context plus N/2, in whole 256 tokens, as llama-perplexity has it with -b as large as -c.")
    int stride;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    EvaluationOptions options;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    TaskOptions tasks;

    @Override
    public Integer call() {
        options.check(spec);
        if (stride < 0 || stride > options.context) {
            throw Quern.usage(
                    spec, "--ppl-stride: expected 1 to the context's " + options.context + ", found " + stride);
        }
        var format = tasks.format(spec);
        if (format.isPresent()) {
            TaskOptions.run(model.path, input.path(), format.get(), tasks.most(format.get()), options);
            return 0;
        }
        Talk talk = options.talk();
        Text read = EvaluationOptions.read(input.path(), talk);
        try (EvaluatedModel evaluated = EvaluatedModel.open(model.path)) {
            AtomicReference<Perplexity.@Nullable Progress> latest = new AtomicReference<>();
            RunningEstimate running = new RunningEstimate(talk);
            Evaluation.Measured measured;
            try (var _ = Interruption.saying(() -> soFar(latest.get()))) {
                measured = Evaluation.perplexity(
                        evaluated, read, options.context, stride, options.chunks, options.threads(), done -> {
                            latest.set(done);
                            running.windowDone(
                                    done.windowsDone(),
                                    done.windows(),
                                    String.format(Locale.ROOT, "PPL %.4f +/- %.5f", done.perplexity(), done.error()),
                                    done.secondsLeft());
                        });
            }
            print(evaluated, measured);
        }
        return 0;
    }

    private void soFar(Perplexity.@Nullable Progress done) {
        if (done == null) {
            return;
        }
        if (options.json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("model", model.path.toString());
            map.put("text", input.path().toString());
            map.put("interrupted", true);
            map.put("perplexity", done.perplexity());
            map.put("error", done.error());
            map.put("windows", done.windowsDone());
            map.put("windows_wanted", done.windows());
            map.put("version", Version.text());
            System.out.println(Json.pretty(map));
        } else {
            System.out.printf(
                    Locale.ROOT,
                    "%nPPL = %.4f +/- %.5f (interrupted: %d of %d windows)%n",
                    done.perplexity(),
                    done.error(),
                    done.windowsDone(),
                    done.windows());
        }
    }

    private void print(EvaluatedModel evaluated, Evaluation.Measured measured) {
        Perplexity.Result result = measured.result();
        PeakMemory memory = PeakMemory.now();
        if (options.json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("model", model.path.toString());
            map.put("kind", evaluated.source().kind());
            map.put("text", input.path().toString());
            map.put("perplexity", result.perplexity());
            map.put("error", result.error());
            map.put("interval_95", DivergenceReport.pair(result.interval()));
            map.put("mean_nll", result.meanImprobability());
            map.put("bits_per_byte", measured.bitsPerByte());
            map.put("context", result.window());
            map.put("stride", stride);
            map.put("windows", result.windows());
            map.put("tokens", measured.tokens());
            map.put("tokens_scored", result.scored());
            map.put("running", result.running());
            map.put("seconds", result.seconds());
            map.put("tokens_per_second", result.tokensPerSecond());
            map.put("peak_memory", memory.map());
            map.put("version", Version.text());
            System.out.println(Json.pretty(map));
        } else {
            System.out.printf(
                    Locale.ROOT,
                    "PPL = %.4f +/- %.5f (%d windows of %d, %d tokens scored, %.4f bits per byte, %.0f tokens/s)%n",
                    result.perplexity(),
                    result.error(),
                    result.windows(),
                    result.window(),
                    result.scored(),
                    measured.bitsPerByte(),
                    result.tokensPerSecond());
            result.interval()
                    .ifPresent(interval -> System.out.printf(
                            Locale.ROOT,
                            "95 %% interval %.4f to %.4f (bootstrap over windows)%n",
                            interval.low(),
                            interval.high()));
            options.talk().say(memory.text());
        }
    }
}
