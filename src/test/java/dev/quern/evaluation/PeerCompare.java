package dev.quern.evaluation;

import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.DivergenceReport;
import dev.quern.report.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What quern compare measures, but with llama.cpp's own forward pass on both sides, for scripts/bench quality: {@code
 * BASE TEXT WINDOWS THREADS REPORT CANDIDATE…}. Logits are compared as the libraries' floats, without the 16 bits of
 * llama-perplexity's base file; windows are those of quern compare.
 */
final class PeerCompare {
    private static final int WINDOW = 512;

    private PeerCompare() {}

    /** Writes to REPORT what quern compare --json says about candidates and pairs. */
    public static void main(String[] args) throws IOException {
        if (args.length < 6) {
            System.err.println("usage: PeerCompare BASE TEXT WINDOWS THREADS REPORT CANDIDATE...");
            System.exit(2);
        }
        Path base = Path.of(args[0]);
        Windows windows = windows(base, Path.of(args[1]), Integer.parseInt(args[2]));
        ContextOptions options = new ContextOptions(Integer.parseInt(args[3]), -1, 1);
        List<Path> candidates = Arrays.stream(args).skip(5).map(Path::of).toList();
        float[][] expected = new float[windows.count()][];
        try (LlamaModel model = LlamaCpp.load(base)) {
            require(
                    Arrays.equals(model.tokenize(Text.read(Path.of(args[1])).bytes(), true, false), windows.tokens()),
                    args[1] + ": the libraries make other tokens of it");
            for (int i = 0; i < windows.count(); i++) {
                expected[i] = scored(model, windows, i, options);
            }
        }
        int vocabulary = expected[0].length / windows.scored();
        float[] improbability = new float[windows.count() * windows.scored()];
        List<Scores> scores = new ArrayList<>();
        for (Path candidate : candidates) {
            Scores one = new Scores(improbability.length);
            try (LlamaModel model = LlamaCpp.load(candidate)) {
                for (int i = 0; i < windows.count(); i++) {
                    float[] found = scored(model, windows, i, options);
                    compare(windows, i, expected[i], found, vocabulary, improbability, one);
                }
            }
            scores.add(one);
        }
        Files.writeString(Path.of(args[4]), Json.pretty(report(windows, candidates, improbability, scores)) + "\n");
    }

    private static Windows windows(Path base, Path text, int most) {
        try (EvaluatedModel model = EvaluatedModel.open(base)) {
            return Windows.halves(text.toString(), model.tokens(Text.read(text)), model.beginning(), WINDOW, most);
        }
    }

    /** The logits of the positions that are scored. */
    private static float[] scored(LlamaModel model, Windows windows, int window, ContextOptions options) {
        float[] logits = model.logits(windows.input(window, 1), options);
        int vocabulary = model.vocabularySize();
        int from = windows.first() * vocabulary;
        return Arrays.copyOfRange(logits, from, from + windows.scored() * vocabulary);
    }

    private static void compare(
            Windows windows,
            int window,
            float[] base,
            float[] found,
            int vocabulary,
            float[] improbability,
            Scores out) {
        int[] targets = windows.targets(window, 1);
        float[] lanes = new float[8];
        for (int row = 0; row < targets.length; row++) {
            int at = row * vocabulary;
            int position = window * targets.length + row;
            float baseShift = shift(base, at, vocabulary, lanes);
            float shift = shift(found, at, vocabulary, lanes);
            require(Float.isFinite(baseShift) && Float.isFinite(shift), "window " + window + ": logits not finite");
            improbability[position] = baseShift - base[at + targets[row]];
            out.improbability[position] = shift - found[at + targets[row]];
            out.divergence[position] =
                    (float) LogProbabilities.divergence(base, at, baseShift, found, at, shift, vocabulary, lanes);
            out.probabilityChange[position] =
                    (float) (Math.exp(-out.improbability[position]) - Math.exp(-improbability[position]));
            out.sameTop[position] = top(base, at, vocabulary) == top(found, at, vocabulary);
        }
    }

    private static float shift(float[] logits, int at, int vocabulary, float[] lanes) {
        float max = Exponential.max(logits, at, vocabulary);
        return max + (float) Math.log(LogProbabilities.sumOfExponentials(logits, at, vocabulary, max, lanes));
    }

    private static int top(float[] logits, int at, int vocabulary) {
        return LogProbabilities.indexOfMax(logits, at, vocabulary, Exponential.max(logits, at, vocabulary));
    }

    private static Map<String, Object> report(
            Windows windows, List<Path> candidates, float[] improbability, List<Scores> scores) {
        List<Map<String, Object>> list = new ArrayList<>();
        List<Map<String, Object>> pairs = new ArrayList<>();
        for (int i = 0; i < scores.size(); i++) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("model", candidates.get(i).toString());
            entry.putAll(DivergenceReport.map(
                    Divergence.of(improbability, scores.get(i), windows.count(), windows.scored())));
            list.add(entry);
            for (int j = i + 1; j < scores.size(); j++) {
                PairedDifference pair =
                        PairedDifference.of(i, scores.get(i), j, scores.get(j), windows.count(), windows.scored());
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("first", candidates.get(i).toString());
                one.put("second", candidates.get(j).toString());
                one.put("kld_difference", pair.divergence());
                one.put("kld_difference_interval_95", DivergenceReport.pair(pair.divergenceInterval()));
                pairs.add(one);
            }
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("text", windows.origin());
        map.put("windows", windows.count());
        map.put("candidates", list);
        map.put("pairs", pairs);
        return map;
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalStateException(message);
        }
    }
}
