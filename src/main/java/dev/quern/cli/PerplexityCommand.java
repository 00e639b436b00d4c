package dev.quern.cli;

import dev.quern.evaluation.Perplexity;
import dev.quern.evaluation.Text;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import dev.quern.report.Json;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
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

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            required = true,
            description = "A GGUF file, or a checkpoint as it is.")
    @SuppressWarnings("NullAway.Init")
    Path model;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "TEXT",
            required = true,
            description = "A text that the model has not seen.")
    @SuppressWarnings("NullAway.Init")
    Path text;

    @Option(
            names = {"-c", "--ctx-size"},
            paramLabel = "N",
            description = "Tokens in a window (default: ${DEFAULT-VALUE}).")
    int context = 512;

    @Option(names = "--chunks", paramLabel = "N", description = "Windows at most (default: all).")
    int chunks = -1;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Worker threads; the result is the same for any number (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--json", description = "Print the result as JSON on stdout.")
    boolean json;

    @Option(names = "--quiet", description = "Say nothing but the result and errors.")
    boolean quiet;

    @Override
    public Integer call() {
        if (context < Perplexity.LEAST_WINDOW) {
            throw Quern.usage(spec, "-c: expected at least " + Perplexity.LEAST_WINDOW + " tokens, found " + context);
        }
        if (chunks == 0) {
            throw Quern.usage(spec, "--chunks: expected at least 1, found 0");
        }
        Talk talk = new Talk(quiet);
        Text read = Text.read(text);
        read.firstInvalid()
                .ifPresent(at -> talk.say("note: " + text + ": byte " + at
                        + " is not UTF-8; such bytes are tokenized as llama.cpp does"));
        try (Source source = Source.open(model)) {
            Progress progress = talk.progress("windows");
            Evaluation.Measured measured = Evaluation.perplexity(
                    source.model(), read, context, chunks, Math.max(1, threads), windows(progress));
            progress.end();
            print(source, measured);
        }
        return 0;
    }

    /** Begins the bar when the number of windows is known, which is with the first of them. */
    static Perplexity.Listener windows(Progress progress) {
        return done -> {
            if (done.windowsDone() == 1) {
                progress.begin("perplexity", done.windows());
            }
            progress.advance(1);
        };
    }

    private void print(Source source, Evaluation.Measured measured) {
        Perplexity.Result result = measured.result();
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("model", model.toString());
            map.put("kind", source.kind());
            map.put("text", text.toString());
            map.put("perplexity", result.perplexity());
            map.put("error", result.error());
            map.put("mean_nll", result.meanImprobability());
            map.put("bits_per_byte", measured.bitsPerByte());
            map.put("context", result.window());
            map.put("windows", result.windows());
            map.put("tokens", measured.tokens());
            map.put("tokens_scored", result.scored());
            map.put("running", result.running());
            map.put("seconds", result.seconds());
            map.put("tokens_per_second", result.tokensPerSecond());
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
        }
    }
}
