package dev.quern.evaluation;

import java.util.Arrays;

/**
 * Percentiles as llama-perplexity computes them: linear interpolation on fraction · (n - 1), in single precision; the
 * median is the mean of the middle two.
 */
public final class Percentiles {
    private final float[] sorted;

    /** @param values at least one; they are copied */
    Percentiles(float[] values, int count) {
        sorted = Arrays.copyOf(values, count);
        Arrays.sort(sorted);
    }

    /** @param fraction from 0 to 1 */
    public float at(float fraction) {
        float position = fraction * (sorted.length - 1);
        int below = (int) position;
        float part = position - below;
        return (1 - part) * sorted[below] + part * sorted[Math.min(below + 1, sorted.length - 1)];
    }

    public float median() {
        int half = sorted.length / 2;
        return sorted.length % 2 == 0 ? 0.5f * (sorted[half] + sorted[half - 1]) : sorted[half];
    }

    public float min() {
        return sorted[0];
    }

    public float max() {
        return sorted[sorted.length - 1];
    }
}
