package dev.quern.quantization.scalar;

/**
 * Finds the scale of a sub-block and a grid point for each of its groups of values, so that the weighted squared error
 * is small. An implementation owns scratch: one thread, one instance.
 */
public interface ScaleSearch {
    int NONE = -1;

    /**
     * @param x magnitudes, a whole sub-block; one of a group may be negative where the signs' parity is fixed
     * @param weight of each value's squared error
     * @param root the weights' square roots, the weights by which the nearest point is chosen
     * @param largest the largest of {@code x}, positive
     * @param points receives the number of each group's point, the first of them {@link #NONE} if the sub-block is to
     *     count as zero
     * @return the scale; can be negative
     */
    float search(float[] x, float[] weight, float[] root, float largest, int[] points);

    /** What to throw if no point's error is a number: ggml's quantizers stop there too. */
    static ArithmeticException overflow() {
        return new ArithmeticException("values or importance too large for this type: their squares overflow");
    }
}
