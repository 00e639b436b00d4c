package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The weights that ggml gives to values in a search, for groups side by side in lanes. */
final class Weights {
    private Weights() {}

    /** {@code x^2}. */
    static void squares(float[] x, int end, float[] weights) {
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            value.mul(value).intoArray(weights, i);
        }
    }

    /** {@code |x|}. */
    static void magnitudes(float[] x, int end, float[] weights) {
        for (int i = 0; i < end; i += COUNT) {
            FloatVector.fromArray(FLOATS, x, i).abs().intoArray(weights, i);
        }
    }

    /** {@code sqrt(mean of x^2) + |x|}, the mean that of each lane's n values, added in order. */
    static void magnitudesAboveLevel(float[] x, int n, float[] weights) {
        int end = n * COUNT;
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            sum = value.mul(value).add(sum);
        }
        FloatVector level = sum.div(n).lanewise(VectorOperators.SQRT);
        for (int i = 0; i < end; i += COUNT) {
            level.add(FloatVector.fromArray(FLOATS, x, i).abs()).intoArray(weights, i);
        }
    }

    /** Each lane's sum of n squares, added in order, times a factor. */
    static void meanSquares(float[] x, int n, float factor, float[] means) {
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < n * COUNT; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            sum = value.mul(value).add(sum);
        }
        sum.mul(factor).intoArray(means, 0);
    }

    /** {@code importance * sqrt(sigma2 + x^2)}; the weights hold the importance before. Then each lane's sum of them. */
    static void important(float[] x, int end, float[] sigma2, float[] weights, float[] sums, int sumsAt) {
        FloatVector spread = FloatVector.fromArray(FLOATS, sigma2, 0);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, weights, i)
                    .mul(spread.add(value.mul(value)).lanewise(VectorOperators.SQRT));
            weight.intoArray(weights, i);
            sum = weight.add(sum);
        }
        sum.intoArray(sums, sumsAt);
    }
}
