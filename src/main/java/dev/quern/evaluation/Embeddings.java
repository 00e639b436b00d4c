package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntConsumer;

/**
 * Vectors of texts: the states that the model's last norm gives, pooled. The results are the same bits for any number of
 * threads and whatever other texts there are.
 *
 * @param threads to share the work among
 */
public record Embeddings(Model model, ForwardPass pass, Pooling pooling, int threads) {
    /**
     * @param texts each one's tokens, at least one
     * @param done is told how many texts have been embedded since the last time
     * @return for each text its vector, or with {@link Pooling#NONE} those of its tokens, one after the other
     * @throws InputException when the model cannot be computed, or has no such token or so many positions
     */
    public float[][] of(List<int[]> texts, IntConsumer done) {
        // Texts of one length are what a forward pass takes together.
        Map<Integer, List<Integer>> byLength = new TreeMap<>();
        for (int i = 0; i < texts.size(); i++) {
            byLength.computeIfAbsent(texts.get(i).length, length -> new ArrayList<>())
                    .add(i);
        }
        float[][] vectors = new float[texts.size()][];
        byLength.forEach((length, which) -> {
            try (Forward forward = Forward.of(model, pass, length, threads)) {
                for (int first = 0; first < which.size(); first += forward.windowsInFlight()) {
                    List<Integer> some =
                            which.subList(first, Math.min(which.size(), first + forward.windowsInFlight()));
                    embed(forward, texts, some, vectors);
                    done.accept(some.size());
                }
            }
        });
        return vectors;
    }

    private void embed(Forward forward, List<int[]> texts, List<Integer> which, float[][] vectors) {
        int length = forward.window();
        int[] tokens = new int[Math.multiplyExact(which.size(), length)];
        for (int i = 0; i < which.size(); i++) {
            int[] text = texts.get(which.get(i));
            requireVocabulary(text, forward.vocabulary());
            System.arraycopy(text, 0, tokens, i * length, length);
        }
        int from = pooling == Pooling.LAST ? length - 1 : 0;
        int to = pooling == Pooling.CLS ? 1 : length;
        Packed states = forward.states(tokens, from, to);
        for (int i = 0; i < which.size(); i++) {
            vectors[which.get(i)] = pooled(states, i * (to - from), to - from);
        }
    }

    private float[] pooled(Packed states, int first, int count) {
        int width = states.width();
        float[] rows = new float[Math.multiplyExact(count, width)];
        for (int i = 0; i < count; i++) {
            states.read(first + i, 0, width, rows, i * width);
        }
        if (pooling != Pooling.MEAN) {
            return rows;
        }
        float[] mean = new float[width];
        for (int column = 0; column < width; column++) {
            double sum = 0;
            for (int i = 0; i < count; i++) {
                sum += rows[i * width + column];
            }
            mean[column] = (float) (sum / count);
        }
        return mean;
    }

    private void requireVocabulary(int[] text, int size) {
        for (int token : text) {
            if (token < 0 || token >= size) {
                throw InputException.of(
                        model.origin(),
                        "its tokenizer makes a token of id " + token + ", its embedding ends at " + (size - 1));
            }
        }
    }

    /**
     * Divides by the Euclidean length, so that a product of two vectors is the cosine between them; a vector of zeros stays
     * one.
     *
     * @param width of one of the vectors that {@code vectors} holds one after the other
     */
    public static void normalize(float[] vectors, int width) {
        for (int first = 0; first < vectors.length; first += width) {
            double squares = 0;
            for (int i = first; i < first + width; i++) {
                squares += (double) vectors[i] * vectors[i];
            }
            double length = Math.sqrt(squares);
            for (int i = first; i < first + width && length > 0; i++) {
                vectors[i] = (float) (vectors[i] / length);
            }
        }
    }
}
