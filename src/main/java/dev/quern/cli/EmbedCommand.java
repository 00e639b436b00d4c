package dev.quern.cli;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Embeddings;
import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Pooling;
import dev.quern.evaluation.Quantity;
import dev.quern.evaluation.VectorComparison;
import dev.quern.io.InputException;
import dev.quern.pipeline.EmbeddingModel;
import dev.quern.pipeline.Progress;
import dev.quern.report.Json;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "embed",
        description =
                "Makes vectors of texts with an embedding model, and measures how far a quantized model's are from"
                        + " its base's.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern embed minilm.gguf 'a quern grinds grain' 'a mill makes flour'",
            "  quern embed all-MiniLM-L6-v2/ --file sentences.txt --json",
            "  quern embed all-MiniLM-L6-v2/ --file sentences.txt --compare q8.gguf --compare q4.gguf --gate"
                    + " 'cosine_min>=0.99'",
            "",
            "A prefix that the model was trained with (search_query: and the like) is part of the text.",
            "A gate is a name, one of <= < >= >, and a value. Names: cosine_mean, cosine_min; with a percentage or a",
            "fraction same_nearest; with KB, MB, GB, KiB … size. Every candidate has to pass every gate; otherwise the",
            "exit code is 4."
        })
final class EmbedCommand implements Callable<Integer> {
    /** Texts that are embedded before the first of their vectors is printed. */
    private static final int TOGETHER = 4096;

    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file, or a checkpoint as it is.")
    @SuppressWarnings("NullAway.Init")
    Path path;

    @Parameters(index = "1..*", paramLabel = "TEXT", description = "Texts, each of which gets a vector.")
    List<String> arguments = List.of();

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "A file with a text on each line; - for standard input.")
    @Nullable
    Path file;

    @Option(
            names = "--pooling",
            paramLabel = "KIND",
            description = "How the states of a text's tokens become its vector: mean, cls (the first), last, or none (a"
                    + " vector for each token). Default: as the model says; an encoder that says nothing, mean.")
    @Nullable
    String pooling;

    @Option(names = "--no-normalize", description = "Leave the vectors at the length that they have; else it is 1.")
    boolean noNormalize;

    @Option(
            names = {"-c", "--ctx-size"},
            paramLabel = "N",
            description = "Tokens of a text at most, with those around it; the rest is cut off, and how often is said"
                    + " (default: what the model was trained with).")
    int context;

    @Option(
            names = "--compare",
            paramLabel = "MODEL",
            description = "Print no vectors but how this model's differ from those of the first; repeatable.")
    List<Path> candidates = new ArrayList<>();

    @Option(
            names = "--gate",
            paramLabel = "EXPRESSION",
            description =
                    "A condition such as cosine_min>=0.99 or same_nearest>=95%% that every model of --compare must"
                            + " meet; repeatable.")
    List<String> gates = List.of();

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
        Optional<Pooling> asked = Optional.ofNullable(pooling)
                .map(word -> Pooling.named(word)
                        .orElseThrow(() -> Quern.usage(
                                spec, "--pooling: expected " + Pooling.words() + ", found '" + word + "'")));
        List<Gate> parsed = check();
        EmbedTexts texts = EmbedTexts.of(spec, arguments, file);
        Talk talk = new Talk(quiet);
        try (EmbeddingModel model = EmbeddingModel.open(path, asked, context, talk::say)) {
            long begun = System.nanoTime();
            Tokenized tokens = tokenize(model, texts);
            tokens.sayCut(talk, model.context());
            if (candidates.isEmpty()) {
                print(model, texts, tokens);
                talk.say(done(model, tokens, begun));
                return 0;
            }
            if (model.pooling() == Pooling.NONE) {
                throw Quern.usage(spec, "--compare needs one vector for a text, and the pooling is none");
            }
            return compare(model, asked, texts, tokens, parsed, talk);
        }
    }

    private List<Gate> check() {
        if (context != 0 && context < EmbeddingModel.LEAST_CONTEXT) {
            throw Quern.usage(
                    spec, "-c: expected at least " + EmbeddingModel.LEAST_CONTEXT + " tokens, found " + context);
        }
        if (candidates.isEmpty()) {
            Quern.refuseAlone(spec, "--compare", "--gate");
        } else {
            Quern.refuseAlone(spec, "vectors to print", "--no-normalize");
        }
        try {
            return gates.stream()
                    .map(gate -> Gate.parse(gate, Quantity.OF_VECTORS))
                    .toList();
        } catch (Gate.Unreadable e) {
            throw Quern.usage(spec, String.valueOf(e.getMessage()));
        }
    }

    /** Every text's tokens. */
    private record Tokenized(List<EmbeddingModel.Tokens> texts) {
        List<int[]> ids(int from, int to) {
            return texts.subList(from, to).stream()
                    .map(EmbeddingModel.Tokens::ids)
                    .toList();
        }

        long total() {
            return texts.stream().mapToLong(text -> text.ids().length).sum();
        }

        long cut() {
            return texts.stream().filter(EmbeddingModel.Tokens::cut).count();
        }

        void sayCut(Talk talk, int context) {
            if (cut() > 0) {
                talk.say("note: " + cut() + " of " + texts.size() + " texts are longer than " + context
                        + " tokens; what goes beyond is left out");
            }
        }
    }

    /** Everything that can be refused of the texts, before anything is computed. */
    private static Tokenized tokenize(EmbeddingModel model, EmbedTexts texts) {
        List<EmbeddingModel.Tokens> all = new ArrayList<>();
        for (int i = 0; i < texts.count(); i++) {
            EmbeddingModel.Tokens tokens = model.tokens(texts.texts().get(i));
            if (tokens.empty()) {
                throw texts.refused(i, "expected a text, found nothing that makes a token");
            }
            all.add(tokens);
        }
        return new Tokenized(all);
    }

    /** {@code 3 texts, 40 tokens, pooling mean, 0.1 s}. */
    private static String done(EmbeddingModel model, Tokenized tokens, long begun) {
        return String.format(
                Locale.ROOT,
                "%s, %d tokens, pooling %s, %.1f s",
                tokens.texts().size() == 1 ? "1 text" : tokens.texts().size() + " texts",
                tokens.total(),
                model.pooling().word(),
                (System.nanoTime() - begun) / 1e9);
    }

    private int threads() {
        return Math.max(1, threads);
    }

    /** One text after the other, some thousand computed at a time. */
    private Iterable<float[]> vectors(
            EmbeddingModel model, EmbedTexts texts, Tokenized tokens, boolean unit, IntConsumer done) {
        Embeddings embeddings = model.embeddings(threads());
        return () -> java.util.stream.IntStream.iterate(0, first -> first < texts.count(), first -> first + TOGETHER)
                .boxed()
                .flatMap(first -> {
                    int to = Math.min(texts.count(), first + TOGETHER);
                    float[][] some = embeddings.of(tokens.ids(first, to), done);
                    for (int i = 0; i < some.length; i++) {
                        requireFinite(model, texts.name(first + i), some[i]);
                        if (unit) {
                            Embeddings.normalize(some[i], width(model, tokens, first + i, some[i]));
                        }
                    }
                    return Arrays.stream(some);
                })
                .iterator();
    }

    private static int width(EmbeddingModel model, Tokenized tokens, int text, float[] vectors) {
        return model.pooling() == Pooling.NONE
                ? vectors.length / tokens.texts().get(text).ids().length
                : vectors.length;
    }

    private static void requireFinite(EmbeddingModel model, String text, float[] vector) {
        for (float value : vector) {
            if (!Float.isFinite(value)) {
                throw InputException.of(
                                model.evaluated().source().path(), "the vector of " + text + " has the value " + value)
                        .withHint("the weights are damaged, or too large for the type that they have");
            }
        }
    }

    private void print(EmbeddingModel model, EmbedTexts texts, Tokenized tokens) {
        Iterable<float[]> vectors = vectors(model, texts, tokens, !noNormalize, done -> {});
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        boolean single = model.pooling() != Pooling.NONE;
        if (json) {
            Map<String, Object> map = head(model, texts);
            map.put("normalized", !noNormalize);
            map.put("texts", entries(model, texts, tokens, vectors));
            map.put("version", Version.text());
            Json.pretty(map, out);
            out.println();
        } else {
            int text = 0;
            for (float[] vector : vectors) {
                int width = width(model, tokens, text, vector);
                if (!single && text > 0) {
                    out.println();
                }
                for (int first = 0; first < vector.length; first += width) {
                    out.println(line(vector, first, width));
                }
                text++;
            }
        }
        out.flush();
    }

    private static String line(float[] vector, int from, int count) {
        StringBuilder line = new StringBuilder();
        for (int i = from; i < from + count; i++) {
            line.append(i == from ? "" : " ").append(vector[i]);
        }
        return line.toString();
    }

    private Map<String, Object> head(EmbeddingModel model, EmbedTexts texts) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model", path.toString());
        map.put("kind", model.evaluated().source().kind());
        texts.origin().ifPresent(origin -> map.put("file", origin));
        map.put("pooling", model.pooling().word());
        map.put("dimensions", model.width());
        map.put("context", model.context());
        return map;
    }

    /** Made as they are written, so that no more vectors are held than are computed together. */
    private static Iterable<Map<String, Object>> entries(
            EmbeddingModel model, EmbedTexts texts, Tokenized tokens, Iterable<float[]> vectors) {
        return () -> new java.util.Iterator<>() {
            private final java.util.Iterator<float[]> each = vectors.iterator();
            private int text;

            @Override
            public boolean hasNext() {
                return each.hasNext();
            }

            @Override
            public Map<String, Object> next() {
                float[] vector = each.next();
                EmbeddingModel.Tokens made = tokens.texts().get(text);
                Map<String, Object> map = new LinkedHashMap<>();
                if (texts.origin().isPresent()) {
                    map.put("line", text + 1);
                } else {
                    map.put("text", new String(texts.texts().get(text), StandardCharsets.UTF_8));
                }
                map.put("tokens", made.ids().length);
                if (made.cut()) {
                    map.put("cut", true);
                }
                if (model.pooling() == Pooling.NONE) {
                    int width = vector.length / made.ids().length;
                    List<float[]> rows = new ArrayList<>();
                    for (int first = 0; first < vector.length; first += width) {
                        rows.add(Arrays.copyOfRange(vector, first, first + width));
                    }
                    map.put("vectors", rows);
                } else {
                    map.put("vector", vector);
                }
                text++;
                return map;
            }
        };
    }

    private int compare(
            EmbeddingModel base,
            Optional<Pooling> asked,
            EmbedTexts texts,
            Tokenized tokens,
            List<Gate> parsed,
            Talk talk) {
        long begun = System.nanoTime();
        List<EmbedReport.Compared> results = new ArrayList<>();
        try (Workers workers = new Workers(threads(), "nearest")) {
            float[][] vectors = all(base, texts, tokens, talk);
            int[] nearest = VectorComparison.nearest(vectors, workers);
            List<String> names = CompareCommand.names(candidates);
            for (int i = 0; i < candidates.size(); i++) {
                try (EmbeddingModel candidate =
                        EmbeddingModel.open(candidates.get(i), asked, base.context(), talk::say)) {
                    if (candidate.pooling() == Pooling.NONE) {
                        throw Quern.usage(spec, "--compare needs one vector for a text, and the pooling is none");
                    }
                    if (candidate.pooling() != base.pooling()) {
                        talk.say("note: " + candidates.get(i) + ": pools by "
                                + candidate.pooling().word() + ", the base by "
                                + base.pooling().word());
                    }
                    requireSame(base, candidate, texts, tokens);
                    VectorComparison comparison =
                            VectorComparison.of(vectors, nearest, all(candidate, texts, tokens, talk), workers);
                    results.add(new EmbedReport.Compared(
                            names.get(i),
                            candidates.get(i),
                            candidate.evaluated().bytes(),
                            comparison,
                            parsed));
                }
            }
        }
        EmbedReport report = new EmbedReport(texts, results);
        if (json) {
            Map<String, Object> map = head(base, texts);
            map.put("tokens", tokens.total());
            map.put("texts", texts.count());
            map.put("cut", tokens.cut());
            map.putAll(report.map());
            map.put("seconds", (System.nanoTime() - begun) / 1e9);
            map.put("version", Version.text());
            System.out.println(Json.pretty(map));
        } else {
            System.out.print(report.text());
            talk.say(done(base, tokens, begun) + ", " + PeakMemory.now().text());
        }
        return results.stream()
                        .flatMap(compared -> compared.verdicts().stream())
                        .allMatch(Gate.Verdict::passed)
                ? 0
                : Quern.DIFFERENCE;
    }

    private float[][] all(EmbeddingModel model, EmbedTexts texts, Tokenized tokens, Talk talk) {
        Progress progress = talk.progress("texts");
        progress.begin(String.valueOf(model.evaluated().source().path().getFileName()), texts.count());
        List<float[]> all = new ArrayList<>();
        vectors(model, texts, tokens, true, progress::advance).forEach(all::add);
        progress.end();
        return all.toArray(float[][]::new);
    }

    private static void requireSame(EmbeddingModel base, EmbeddingModel candidate, EmbedTexts texts, Tokenized tokens) {
        Path path = candidate.evaluated().source().path();
        if (candidate.width() != base.width()) {
            throw InputException.of(
                            path, "makes vectors of " + candidate.width() + " values, the base of " + base.width())
                    .withHint("only models with one base can be compared");
        }
        for (int i = 0; i < texts.count(); i++) {
            if (!Arrays.equals(
                    candidate.tokens(texts.texts().get(i)).ids(),
                    tokens.texts().get(i).ids())) {
                throw InputException.of(
                                path,
                                "its vocabulary makes other tokens of " + texts.name(i) + " than that of "
                                        + base.evaluated().source().path())
                        .withHint("only models with one vocabulary can be compared");
            }
        }
    }
}
