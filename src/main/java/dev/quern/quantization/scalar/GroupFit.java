package dev.quern.quantization.scalar;

import dev.quern.quantization.lattice.Grid;

/** The weighted least squares fit of one scale to a sub-block whose points are chosen. Sums run in order, in float. */
final class GroupFit {
    private final Grid grid;
    private final int length;
    private float sumXq;
    private float sumQq;

    GroupFit(Grid grid, int length) {
        this.grid = grid;
        this.length = length;
    }

    void sum(float[] x, float[] weight, int[] points) {
        int dimension = grid.dimension();
        int bits = grid.levelBits();
        int mask = (1 << bits) - 1;
        float xq = 0;
        float qq = 0;
        for (int i = 0; i < length; i++) {
            float q = 2 * (grid.code(points[i / dimension]) >> bits * (i % dimension) & mask) + 1;
            float w = weight[i];
            xq += w * x[i] * q;
            qq += w * q * q;
        }
        sumXq = xq;
        sumQq = qq;
    }

    boolean isBetterThan(float best) {
        return sumQq > 0 && sumXq * sumXq > best * sumQq;
    }

    /** The best scale, or the given one if the weights say nothing. */
    float scaleOr(float otherwise) {
        return sumQq > 0 ? sumXq / sumQq : otherwise;
    }

    /** How much the error shrinks with this scale; larger is better. */
    float gain(float scale) {
        return scale * sumXq;
    }
}
