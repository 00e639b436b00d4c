package dev.quern.cli;

import dev.quern.evaluation.CachedForward;
import dev.quern.evaluation.Generation;
import dev.quern.evaluation.Sampler;
import dev.quern.evaluation.Text;
import dev.quern.io.InputException;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.Json;
import dev.quern.report.SideBySide;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "generate",
        description = "Writes what a model says after a prompt, so that a person can read it. A check, not a chat: the "
                + "most probable token each time unless --temp says otherwise.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class GenerateCommand implements Callable<Integer> {
    private static final int COLUMN = 56;

    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    ModelOption model;

    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "TEXT",
            description = "The beginning; may be empty if the vocabulary has a token that begins a text.")
    @Nullable
    String prompt;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "A file with the beginning.")
    @Nullable
    Path file;

    @Option(
            names = {"-n", "--predict", "--n-predict"},
            paramLabel = "N",
            description = "Tokens to write (default: ${DEFAULT-VALUE}; -1: until the model ends or the context does).")
    int count = 128;

    @Option(
            names = {"-c", "--ctx-size"},
            paramLabel = "N",
            description = "Positions of prompt and answer (default: what the model was trained with).")
    int context;

    @Option(
            names = {"--temp", "--temperature"},
            paramLabel = "T",
            description = "Temperature (default: ${DEFAULT-VALUE}: always the most probable token).")
    double temperature;

    @Option(
            names = "--top-k",
            paramLabel = "N",
            description = "Most probable tokens to choose from (default: ${DEFAULT-VALUE}; 0: all).")
    int topK = 40;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Of these the fewest with this probability together (default: ${DEFAULT-VALUE}; 1: all).")
    double topP = 0.95;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description =
                    "Of these the ones with this share of the largest probability (default: ${DEFAULT-VALUE}; 0: all).")
    double minP = 0.05;

    @Option(
            names = "--repeat-penalty",
            paramLabel = "X",
            description = "What recent tokens' logits are divided by (default: ${DEFAULT-VALUE}: no penalty).")
    double repeatPenalty = 1;

    @Option(
            names = "--repeat-last-n",
            paramLabel = "N",
            description = "Recent tokens that the penalty concerns (default: ${DEFAULT-VALUE}).")
    int repeatLast = 64;

    @Option(
            names = {"-s", "--seed"},
            paramLabel = "SEED",
            description = "Seed of the choice; the same gives the same text (default: ${DEFAULT-VALUE}).")
    long seed = 1;

    @Option(
            names = "--compare",
            paramLabel = "MODEL",
            description = "Another model to continue the same prompt; both texts side by side, and where they part.")
    @Nullable
    Path other;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Worker threads; the result is the same for any number (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--json", description = "Print tokens, text and probabilities as JSON on stdout.")
    boolean json;

    @Option(names = "--quiet", description = "Say nothing but the result and errors.")
    boolean quiet;

    /** What one model wrote. */
    private record Written(
            Path model, String text, Generation.Result result, List<String> pieces, List<Double> probabilities) {}

    @Override
    public Integer call() {
        Sampler.Options options = check();
        byte[] beginning = prompt != null
                ? prompt.getBytes(StandardCharsets.UTF_8)
                : Text.read(java.util.Objects.requireNonNull(file)).bytes();
        Path second = other;
        Talk talk = new Talk(quiet);
        boolean streamed = !json && second == null;
        Written first = write(model.path, beginning, options, streamed);
        talk.say(speed(first));
        if (second == null) {
            if (json) {
                System.out.println(Json.pretty(map(first)));
            }
            return 0;
        }
        Written another = write(second, beginning, options, false);
        talk.say(speed(another));
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("models", List.of(map(first), map(another)));
            map.put("tokens_in_common", inCommon(first, another));
            System.out.println(Json.pretty(map));
        } else {
            print(first, another);
        }
        return 0;
    }

    private Sampler.Options check() {
        if ((prompt == null) == (file == null)) {
            throw Quern.usage(spec, "expected either -p TEXT or -f FILE");
        }
        if (count < -1 || count == 0) {
            throw Quern.usage(spec, "-n: expected a number of tokens or -1, found " + count);
        }
        if (context < 0) {
            throw Quern.usage(spec, "-c: expected at least 2 positions, found " + context);
        }
        try {
            return new Sampler.Options(temperature, topK, topP, minP, repeatPenalty, repeatLast, seed);
        } catch (IllegalArgumentException e) {
            throw Quern.usage(
                    spec,
                    "expected --temp from 0, --top-k from 0, --top-p above 0 to 1, --min-p from 0 to 1, "
                            + "--repeat-penalty above 0 and --repeat-last-n from 0, found " + e.getMessage());
        }
    }

    private Written write(Path path, byte[] beginning, Sampler.Options options, boolean streamed) {
        try (EvaluatedModel evaluated = EvaluatedModel.open(path)) {
            int positions = context == 0
                    ? CachedForward.trainedContext(evaluated.source().model(), evaluated.pass())
                    : context;
            int[] tokens = promptTokens(evaluated, beginning);
            if (tokens.length >= positions) {
                throw InputException.of(
                                path,
                                "the prompt has " + tokens.length + " tokens, the context " + positions
                                        + " positions: none is left for an answer")
                        .withHint("use a shorter prompt or a larger -c");
            }
            List<String> pieces = new ArrayList<>();
            List<Double> probabilities = new ArrayList<>();
            Utf8Stream stream = new Utf8Stream();
            PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
            int[] all = Arrays.copyOf(tokens, tokens.length);
            byte[] said = evaluated.tokenizer().decode(all);
            Printed printed = new Printed(evaluated, all, said.length);
            try (CachedForward forward =
                    CachedForward.of(evaluated.source().model(), evaluated.pass(), positions, Math.max(1, threads))) {
                // Now that nothing is refused any more.
                if (streamed) {
                    out.print(stream.add(said, 0, said.length));
                }
                Generation.Result result = Generation.run(
                        forward, tokens, count, positions, evaluated.endings(), new Sampler(options), (token, p) -> {
                            byte[] piece = printed.next(token);
                            pieces.add(new String(piece, StandardCharsets.UTF_8));
                            probabilities.add(p);
                            if (streamed) {
                                out.print(stream.add(piece, 0, piece.length));
                                out.flush();
                            }
                        });
                if (streamed) {
                    out.println(stream.end());
                }
                byte[] whole = evaluated.tokenizer().decode(result.tokens());
                String answer = new String(whole, said.length, whole.length - said.length, StandardCharsets.UTF_8);
                return new Written(path, answer, result, pieces, probabilities);
            }
        }
    }

    /** What each token adds to the text: a token's text may depend on what stands before it. */
    private static final class Printed {
        private final EvaluatedModel model;
        private int[] tokens;
        private int bytes;

        Printed(EvaluatedModel model, int[] tokens, int bytes) {
            this.model = model;
            this.tokens = tokens;
            this.bytes = bytes;
        }

        byte[] next(int token) {
            tokens = Arrays.copyOf(tokens, tokens.length + 1);
            tokens[tokens.length - 1] = token;
            byte[] all = model.tokenizer().decode(tokens);
            byte[] piece = Arrays.copyOfRange(all, bytes, all.length);
            bytes = all.length;
            return piece;
        }
    }

    /** As llama-cli begins a text: with the token that begins one, without the one that would end it. */
    private static int[] promptTokens(EvaluatedModel evaluated, byte[] text) {
        int[] tokens = evaluated.tokenizer().encode(text, true);
        if (evaluated.tokenizer().addsEos() && tokens.length > 0) {
            tokens = Arrays.copyOf(tokens, tokens.length - 1);
        }
        if (tokens.length == 0) {
            throw InputException.of(evaluated.source().path(), "an empty prompt, and no token that begins a text")
                    .withHint("give a prompt with -p or -f");
        }
        return tokens;
    }

    private static String speed(Written written) {
        Generation.Result result = written.result();
        return String.format(
                Locale.ROOT,
                "%s: prompt %d tokens in %.1f s, then %d tokens, %.1f tokens/s; ended by %s",
                written.model().getFileName(),
                result.promptTokens(),
                result.promptSeconds(),
                result.tokens().length - result.promptTokens(),
                result.tokensPerSecond(),
                switch (result.end()) {
                    case LENGTH -> "-n";
                    case END_OF_TEXT -> "the model";
                    case CONTEXT -> "the end of the context";
                });
    }

    private static int inCommon(Written a, Written b) {
        int at = Arrays.mismatch(a.result().tokens(), b.result().tokens());
        return (at < 0 ? a.result().tokens().length : at) - a.result().promptTokens();
    }

    private static void print(Written a, Written b) {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.print(SideBySide.text(
                String.valueOf(a.model().getFileName()),
                a.text(),
                String.valueOf(b.model().getFileName()),
                b.text(),
                COLUMN));
        int common = inCommon(a, b);
        if (common == a.pieces().size() && common == b.pieces().size()) {
            out.printf(Locale.ROOT, "%nthe same %d tokens%n", common);
            return;
        }
        out.printf(
                Locale.ROOT,
                "%nthe same for %d tokens, then %s and %s%n",
                common,
                choice(a, common),
                choice(b, common));
    }

    private static String choice(Written written, int at) {
        return at < written.pieces().size()
                ? String.format(
                        Locale.ROOT,
                        "\"%s\" (%.1f %%)",
                        written.pieces().get(at),
                        100 * written.probabilities().get(at))
                : "the end";
    }

    private static Map<String, Object> map(Written written) {
        Generation.Result result = written.result();
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model", written.model().toString());
        map.put("text", written.text());
        map.put("prompt_tokens", result.promptTokens());
        map.put("tokens", Arrays.copyOfRange(result.tokens(), result.promptTokens(), result.tokens().length));
        map.put("probabilities", written.probabilities());
        map.put("end", result.end().name().toLowerCase(Locale.ROOT));
        map.put("tokens_per_second", result.tokensPerSecond());
        map.put("version", Version.text());
        return map;
    }
}
