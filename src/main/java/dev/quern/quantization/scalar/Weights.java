package dev.quern.quantization.scalar;

import dev.quern.quantization.QuantType;
import org.jspecify.annotations.Nullable;

/** The weights of values' squared errors, as the IQ quantizers derive them. */
final class Weights {
    private Weights() {}

    static float[] needed(float @Nullable [] importance, QuantType type) {
        if (importance == null) {
            throw new IllegalArgumentException(type + " needs an importance matrix");
        }
        return importance;
    }

    /** ggml asserts the same of a sub-block's scale. */
    static float checked(float scale) {
        if (!(scale >= 0)) {
            throw ScaleSearch.overflow();
        }
        return scale;
    }

    static float sumOfSquares(float[] row, int from, int length) {
        float sum = 0;
        for (int i = from; i < from + length; i++) {
            sum += row[i] * row[i];
        }
        return sum;
    }

    /** With importance: importance · √(sigma² + x²). */
    static void important(
            float[] row, int from, float[] importance, int importanceFrom, float sigma2, float[] weight, int length) {
        for (int i = 0; i < length; i++) {
            float x = row[from + i];
            weight[i] = importance[importanceFrom + i] * (float) Math.sqrt(sigma2 + x * x);
        }
    }

    /** Without importance: floor + x². */
    static void plain(float[] row, int from, float floor, float[] weight, int length) {
        for (int i = 0; i < length; i++) {
            float x = row[from + i];
            weight[i] = floor + x * x;
        }
    }

    static void roots(float[] weight, float[] root, int length) {
        for (int i = 0; i < length; i++) {
            root[i] = (float) Math.sqrt(weight[i]);
        }
    }

    static float largest(float[] x, int length) {
        float largest = x[0];
        for (int i = 1; i < length; i++) {
            largest = x[i] > largest ? x[i] : largest;
        }
        return largest;
    }

    static float largestMagnitude(float[] row, int from, int length) {
        float largest = Math.abs(row[from]);
        for (int i = 1; i < length; i++) {
            float magnitude = Math.abs(row[from + i]);
            largest = magnitude > largest ? magnitude : largest;
        }
        return largest;
    }
}
