package dev.quern.quantization.scalar;

import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Neighbours;

/** Rounds a group of values to its grid, as iq2_find_best_neighbour and iq3_find_best_neighbour do. */
final class NearestPoint {
    private final Neighbours neighbours;
    private final Grid grid;
    private final int dimension;
    private final int bits;
    private final int top;

    NearestPoint(Neighbours neighbours) {
        this.neighbours = neighbours;
        this.grid = neighbours.grid();
        this.dimension = grid.dimension();
        this.bits = grid.levelBits();
        this.top = grid.levels() - 1;
    }

    /** The code of the levels nearest to the values times {@code inverse}, each for itself. */
    int code(float[] x, int group, float inverse) {
        int code = 0;
        for (int i = 0; i < dimension; i++) {
            code |= OddLevels.nearest(inverse, x[group * dimension + i], top) << bits * i;
        }
        return code;
    }

    boolean isOnGrid(int code) {
        return neighbours.pointAt(code) >= 0;
    }

    /** The point with this code, or the neighbour with the smallest weighted error at this scale, the first of several. */
    int point(int code, float[] x, float[] root, int group, float scale) {
        int exact = neighbours.pointAt(code);
        if (exact >= 0) {
            return exact;
        }
        int list = neighbours.listOf(code);
        int best = -1;
        float smallest = Float.MAX_VALUE;
        for (int n = 0; n < neighbours.count(list); n++) {
            int point = neighbours.neighbour(list, n);
            float error = error(grid.code(point), x, root, group, scale);
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

    private float error(int code, float[] x, float[] root, int group, float scale) {
        int mask = (1 << bits) - 1;
        float error = 0;
        for (int i = 0; i < dimension; i++) {
            int at = group * dimension + i;
            float odd = 2 * (code >> bits * i & mask) + 1;
            float difference = scale * odd - x[at];
            error += root[at] * difference * difference;
        }
        return error;
    }
}
