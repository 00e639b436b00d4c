package dev.quern.quantization.scalar;

import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Neighbours;

/** Rounds groups of eight values to the grid of IQ1, as iq1_find_best_neighbour2 does. */
public class TernaryGrid {
    /** What the levels stand for, shifted up and shifted down by the format's eighth. */
    static final float[] UP = {-1 + 0.125f, 0.125f, 1 + 0.125f};

    static final float[] DOWN = {-1 - 0.125f, -0.125f, 1 - 0.125f};

    private final Neighbours neighbours;
    private final Grid grid;

    public TernaryGrid(Neighbours neighbours) {
        this.neighbours = neighbours;
        this.grid = neighbours.grid();
    }

    /** What a level stands for when shifted up. */
    public static float up(int level) {
        return UP[level];
    }

    /** What a level stands for when shifted down. */
    public static float down(int level) {
        return DOWN[level];
    }

    static int code(byte[] levels, int group) {
        int code = 0;
        for (int i = 0; i < 8; i++) {
            code |= levels[8 * group + i] << 2 * i;
        }
        return code;
    }

    final boolean isOnGrid(int code) {
        return neighbours.pointAt(code) >= 0;
    }

    final int level(int point, int i) {
        return grid.code(point) >> 2 * i & 3;
    }

    /**
     * The point with this code, or the neighbour with the smallest error.
     *
     * @param from where the eight values begin in {@code row}
     * @param weights where their weights begin in {@code weight}
     */
    final int point(int code, float[] row, int from, float[] weight, int weights, float scale, float[] shifted) {
        int exact = neighbours.pointAt(code);
        return exact >= 0 ? exact : neighbour(code, row, from, weight, weights, scale, shifted);
    }

    /** The best neighbour of a code that has no point. */
    protected int neighbour(
            int code, float[] row, int from, float[] weight, int weights, float scale, float[] shifted) {
        int list = neighbours.listOf(code);
        int best = -1;
        float smallest = Float.MAX_VALUE;
        for (int n = 0; n < neighbours.count(list); n++) {
            int point = neighbours.neighbour(list, n);
            float error = 0;
            for (int i = 0; i < 8; i++) {
                float difference = scale * shifted[level(point, i)] - row[from + i];
                error += weight[weights + i] * difference * difference;
            }
            if (error < smallest) {
                smallest = error;
                best = point;
            }
        }
        if (best < 0) {
            throw ScaleSearch.overflow();
        }
        return best;
    }
}
