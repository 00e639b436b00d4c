package dev.quern.cli;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Pooling;
import dev.quern.evaluation.Quantity;
import dev.quern.evaluation.VectorComparison;
import dev.quern.pipeline.EmbeddingModel;
import dev.quern.pipeline.Progress;
import dev.quern.report.Json;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
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
            "  quern embed all-MiniLM-L6-v2/ -f sentences.txt --json",
            "  quern embed all-MiniLM-L6-v2/ -f sentences.txt --compare q8.gguf",
            "  … --compare q8.gguf --compare q4.gguf --gate 'cosine_min>=0.99'",
            "",
            "A prefix that the model was trained with (search_query: and the like) is part",
            "of the text.",
            "",
            "A gate is a name, one of <= < >= >, and a value. Names: cosine_mean,",
            "cosine_min; with a percentage or a fraction same_nearest; with KB, MB, GB,",
            "KiB … size. Every candidate has to pass every gate; otherwise the exit code",
            "is 4."
        })
final class EmbedCommand implements Callable<Integer> {
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
            EmbeddedTexts embedded = EmbeddedTexts.of(model, texts);
            if (embedded.cut() > 0) {
                talk.say("note: texts longer than " + model.context() + " tokens: " + embedded.cut() + " of "
                        + texts.count() + "; what goes beyond is left out");
            }
            if (candidates.isEmpty()) {
                print(embedded);
                talk.say(embedded.done(secondsSince(begun)));
                return 0;
            }
            requirePooled(model);
            return compare(embedded, asked, parsed, talk, begun);
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

    private static double secondsSince(long begun) {
        return (System.nanoTime() - begun) / 1e9;
    }

    private int threads() {
        return Math.max(1, threads);
    }

    private void print(EmbeddedTexts embedded) {
        Iterable<float[]> vectors = embedded.vectors(threads(), !noNormalize, done -> {});
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        if (json) {
            Map<String, Object> map = head(embedded);
            map.put("normalized", !noNormalize);
            map.put("texts", embedded.entries(vectors));
            map.put("version", Version.text());
            Json.pretty(map, out);
            out.println();
        } else {
            int text = 0;
            for (float[] vector : vectors) {
                if (embedded.model().pooling() == Pooling.NONE && text > 0) {
                    out.println();
                }
                int width = embedded.width(text++, vector);
                for (int first = 0; first < vector.length; first += width) {
                    out.println(line(vector, first, width));
                }
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

    private Map<String, Object> head(EmbeddedTexts embedded) {
        EmbeddingModel model = embedded.model();
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model", path.toString());
        map.put("kind", model.evaluated().source().kind());
        embedded.texts().origin().ifPresent(origin -> map.put("file", origin));
        map.put("pooling", model.pooling().word());
        map.put("dimensions", model.width());
        map.put("context", model.context());
        return map;
    }

    private int compare(EmbeddedTexts embedded, Optional<Pooling> asked, List<Gate> parsed, Talk talk, long begun) {
        List<EmbedReport.Compared> results = new ArrayList<>();
        List<String> names = CompareCommand.names(candidates);
        try (Workers workers = new Workers(threads(), "nearest")) {
            float[][] vectors = all(embedded, talk);
            int[] nearest = VectorComparison.nearest(vectors, workers);
            for (int i = 0; i < candidates.size(); i++) {
                Path candidate = candidates.get(i);
                try (EmbeddingModel opened =
                        EmbeddingModel.open(candidate, asked, embedded.model().context(), talk::say)) {
                    embedded.requireComparable(opened);
                    requirePooled(opened);
                    sayOfPooling(embedded.model(), opened, talk);
                    float[][] others = all(new EmbeddedTexts(opened, embedded.texts(), embedded.tokens()), talk);
                    results.add(new EmbedReport.Compared(
                            names.get(i),
                            candidate,
                            opened.evaluated().bytes(),
                            VectorComparison.of(vectors, nearest, others, workers),
                            parsed));
                }
            }
        }
        EmbedReport report = new EmbedReport(embedded.texts(), results);
        if (json) {
            Map<String, Object> map = head(embedded);
            map.put("texts", embedded.texts().count());
            map.put("tokens", embedded.total());
            map.put("cut", embedded.cut());
            map.putAll(report.map());
            map.put("seconds", secondsSince(begun));
            map.put("version", Version.text());
            System.out.println(Json.pretty(map));
        } else {
            System.out.print(report.text());
            talk.say(
                    embedded.done(secondsSince(begun)) + ", " + PeakMemory.now().text());
        }
        return report.passed() ? 0 : Quern.DIFFERENCE;
    }

    private void requirePooled(EmbeddingModel model) {
        if (model.pooling() == Pooling.NONE) {
            throw Quern.usage(spec, "--compare needs one vector for a text, and the pooling is none");
        }
    }

    private static void sayOfPooling(EmbeddingModel base, EmbeddingModel candidate, Talk talk) {
        if (candidate.pooling() != base.pooling()) {
            talk.say("note: " + candidate.evaluated().source().path() + ": pools by "
                    + candidate.pooling().word() + ", the base by "
                    + base.pooling().word());
        }
    }

    private float[][] all(EmbeddedTexts embedded, Talk talk) {
        Progress progress = talk.progress("texts");
        progress.begin(
                String.valueOf(embedded.model().evaluated().source().path().getFileName()),
                embedded.texts().count());
        List<float[]> all = new ArrayList<>();
        embedded.vectors(threads(), true, progress::advance).forEach(all::add);
        progress.end();
        return all.toArray(float[][]::new);
    }
}
