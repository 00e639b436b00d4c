package dev.quern.cli;

import dev.quern.evaluation.Embeddings;
import dev.quern.evaluation.Pooling;
import dev.quern.io.InputException;
import dev.quern.pipeline.EmbeddingModel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Texts as one model takes them.
 *
 * @param tokens of each text
 */
record EmbeddedTexts(EmbeddingModel model, EmbedTexts texts, List<EmbeddingModel.Tokens> tokens) {
    /** Texts that are embedded before the first of their vectors is given on. */
    private static final int TOGETHER = 4096;

    /** Everything that can be refused of the texts, before anything is computed. */
    static EmbeddedTexts of(EmbeddingModel model, EmbedTexts texts) {
        List<EmbeddingModel.Tokens> all = new ArrayList<>();
        for (int i = 0; i < texts.count(); i++) {
            EmbeddingModel.Tokens tokens = model.tokens(texts.texts().get(i));
            if (tokens.empty()) {
                throw texts.refused(i, "expected a text, found nothing that makes a token");
            }
            all.add(tokens);
        }
        return new EmbeddedTexts(model, texts, List.copyOf(all));
    }

    /** Tokens of all texts. */
    long total() {
        return tokens.stream().mapToLong(text -> text.ids().length).sum();
    }

    /** Texts that were cut. */
    long cut() {
        return tokens.stream().filter(EmbeddingModel.Tokens::cut).count();
    }

    /** @throws InputException when the other model makes other vectors, or other tokens of a text */
    void requireComparable(EmbeddingModel candidate) {
        Path path = candidate.evaluated().source().path();
        if (candidate.width() != model.width()) {
            throw InputException.of(
                            path, "makes vectors of " + candidate.width() + " values, the base of " + model.width())
                    .withHint("only models with one base can be compared");
        }
        for (int i = 0; i < texts.count(); i++) {
            int[] ids = candidate.tokens(texts.texts().get(i)).ids();
            if (!Arrays.equals(ids, tokens.get(i).ids())) {
                throw InputException.of(
                                path,
                                "its vocabulary makes other tokens of " + texts.name(i) + " than that of "
                                        + model.evaluated().source().path())
                        .withHint("only models with one vocabulary can be compared");
            }
        }
    }

    /**
     * One text after the other, some thousand computed at a time.
     *
     * @param unit whether vectors are brought to length 1
     * @param done is told how many texts more are done
     * @throws InputException when a value is not finite
     */
    Iterable<float[]> vectors(int threads, boolean unit, IntConsumer done) {
        Embeddings embeddings = model.embeddings(threads);
        return () -> IntStream.iterate(0, first -> first < texts.count(), first -> first + TOGETHER)
                .boxed()
                .flatMap(first -> {
                    int to = Math.min(texts.count(), first + TOGETHER);
                    List<int[]> ids = tokens.subList(first, to).stream()
                            .map(EmbeddingModel.Tokens::ids)
                            .toList();
                    float[][] some = embeddings.of(ids, done);
                    for (int i = 0; i < some.length; i++) {
                        requireFinite(first + i, some[i]);
                        if (unit) {
                            Embeddings.normalize(some[i], width(first + i, some[i]));
                        }
                    }
                    return Arrays.stream(some);
                })
                .iterator();
    }

    /** Values of one of the vectors that a text has. */
    int width(int text, float[] vectors) {
        return model.pooling() == Pooling.NONE
                ? vectors.length / tokens.get(text).ids().length
                : vectors.length;
    }

    private void requireFinite(int text, float[] vector) {
        for (float value : vector) {
            if (!Float.isFinite(value)) {
                throw InputException.of(
                                model.evaluated().source().path(),
                                "the vector of " + texts.name(text) + " has the value " + value)
                        .withHint("the weights are damaged, or too large for the type that they have");
            }
        }
    }

    /** What a report says of each text, made as it is asked for, so that not all vectors are held. */
    Iterable<Map<String, Object>> entries(Iterable<float[]> vectors) {
        return () -> {
            Iterator<float[]> each = vectors.iterator();
            return IntStream.range(0, texts.count())
                    .mapToObj(text -> entry(text, each.next()))
                    .iterator();
        };
    }

    private Map<String, Object> entry(int text, float[] vector) {
        Map<String, Object> map = new LinkedHashMap<>();
        if (texts.origin().isPresent()) {
            map.put("line", text + 1);
        } else {
            map.put("text", new String(texts.texts().get(text), StandardCharsets.UTF_8));
        }
        map.put("tokens", tokens.get(text).ids().length);
        if (tokens.get(text).cut()) {
            map.put("cut", true);
        }
        if (model.pooling() == Pooling.NONE) {
            int width = width(text, vector);
            List<float[]> rows = new ArrayList<>();
            for (int first = 0; first < vector.length; first += width) {
                rows.add(Arrays.copyOfRange(vector, first, first + width));
            }
            map.put("vectors", rows);
        } else {
            map.put("vector", vector);
        }
        return map;
    }

    /** {@code 3 texts, 40 tokens, pooling mean, 0.1 s}. */
    String done(double seconds) {
        return String.format(
                Locale.ROOT,
                "%s, %d tokens, pooling %s, %.1f s",
                texts.count() == 1 ? "1 text" : texts.count() + " texts",
                total(),
                model.pooling().word(),
                seconds);
    }
}
