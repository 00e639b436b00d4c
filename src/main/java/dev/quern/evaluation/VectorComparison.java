package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Dot;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * How far a candidate's vectors are from its base's, text by text, and whether retrieval would notice: does each text find
 * the same nearest one among the others?
 *
 * @param cosines between the two vectors of each text
 * @param least the text with the smallest cosine, from 0
 * @param sameNearest texts whose nearest other text is the same one; empty where there are fewer than two
 */
@SuppressWarnings("ArrayRecordComponent")
public record VectorComparison(double[] cosines, int least, OptionalInt sameNearest) {
    /**
     * @param base one vector of length 1 for each text
     * @param nearest {@link #nearest} of the base
     * @param candidate the candidate's, likewise
     */
    public static VectorComparison of(float[][] base, int[] nearest, float[][] candidate, Workers workers) {
        double[] cosines = new double[base.length];
        int least = 0;
        for (int i = 0; i < base.length; i++) {
            cosines[i] = cosine(base[i], candidate[i]);
            least = cosines[i] < cosines[least] ? i : least;
        }
        if (base.length < 2) {
            return new VectorComparison(cosines, least, OptionalInt.empty());
        }
        int[] other = nearest(candidate, workers);
        int same = 0;
        for (int i = 0; i < other.length; i++) {
            same += other[i] == nearest[i] ? 1 : 0;
        }
        return new VectorComparison(cosines, least, OptionalInt.of(same));
    }

    /** For each vector of length 1 the one of the others with the largest cosine, the first of equals; -1 for a lone one. */
    public static int[] nearest(float[][] vectors, Workers workers) {
        int[] nearest = new int[vectors.length];
        workers.each(vectors.length, (i, worker) -> {
            float[] vector = vectors[i];
            int found = -1;
            float most = Float.NEGATIVE_INFINITY;
            for (int j = 0; j < vectors.length; j++) {
                float cosine = j == i ? Float.NEGATIVE_INFINITY : Dot.of(vector, 0, vectors[j], 0, vector.length);
                if (cosine > most) {
                    most = cosine;
                    found = j;
                }
            }
            nearest[i] = found;
        });
        return nearest;
    }

    /** Exact to a double's rounding even when the lengths are not quite 1; 0 where one of the vectors is. */
    private static double cosine(float[] a, float[] b) {
        double product = 0;
        double aSquares = 0;
        double bSquares = 0;
        for (int i = 0; i < a.length; i++) {
            product += (double) a[i] * b[i];
            aSquares += (double) a[i] * a[i];
            bSquares += (double) b[i] * b[i];
        }
        double lengths = Math.sqrt(aSquares * bSquares);
        return lengths == 0 ? 0 : Math.clamp(product / lengths, -1, 1);
    }

    public double mean() {
        double sum = 0;
        for (double cosine : cosines) {
            sum += cosine;
        }
        return sum / cosines.length;
    }

    public double minimum() {
        return cosines[least];
    }

    /** What gates can ask. @param bytes of the candidate's files */
    public Map<Quantity, Double> quantities(long bytes) {
        Map<Quantity, Double> map = new EnumMap<>(Quantity.class);
        map.put(Quantity.COSINE_MEAN, mean());
        map.put(Quantity.COSINE_MIN, minimum());
        sameNearest.ifPresent(same -> map.put(Quantity.SAME_NEAREST, (double) same / cosines.length));
        map.put(Quantity.SIZE, (double) bytes);
        return map;
    }
}
