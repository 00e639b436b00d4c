package dev.quern.quantization.simd;

import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Neighbours;
import dev.quern.quantization.scalar.OddLevels;
import dev.quern.quantization.scalar.ScaleSearch;
import java.util.Arrays;

/** What the scalar SteppedSearch does, with all scales' codes and sums in lanes. */
final class SimdSteppedSearch implements ScaleSearch {
    /** Which groups choose a point again at the last scale. */
    enum Refit {
        THOSE_OFF_GRID,
        ALL_IF_ONE_IS_OFF_GRID,
        ALL
    }

    private final Neighbours neighbours;
    private final NeighbourLanes lanes;
    private final int length;
    private final int dimension;
    private final int bits;
    private final int top;
    private final int groups;
    private final Refit refit;
    private final int tries;
    private final int stride;
    private final float[] odd;
    private final float[] levels;
    private final float[] inverses;
    private final float[] scales;
    private final float[] spreadX;
    private final float[] spreadRoot;
    private final float[] weighted;
    private final int[] rounded;
    private final int[] chosen;
    private final int[] last;
    private final float[] sumXq;
    private final float[] sumQq;

    SimdSteppedSearch(Neighbours neighbours, NeighbourLanes lanes, int length, int tries, float step, Refit refit) {
        Grid grid = neighbours.grid();
        this.neighbours = neighbours;
        this.lanes = lanes;
        this.length = length;
        this.dimension = grid.dimension();
        this.bits = grid.levelBits();
        this.top = grid.levels() - 1;
        this.groups = length / dimension;
        this.refit = refit;
        this.tries = 2 * tries + 1;
        this.stride = (this.tries + 7) / 8 * 8;
        this.odd = dimension == 4 ? new float[] {1, 3, 5, 7, 9, 11, 13, 15} : new float[] {1, 3, 5, 7, 1, 3, 5, 7};
        this.levels = new float[stride];
        for (int i = 0; i < stride; i++) {
            levels[i] = 2 * top + 1 + Math.min(i - tries, tries) * step;
        }
        this.inverses = new float[stride];
        this.scales = new float[stride];
        this.spreadX = new float[groups * 32];
        this.spreadRoot = new float[groups * 32];
        this.weighted = new float[length];
        this.rounded = new int[groups * stride];
        this.chosen = new int[groups * stride];
        this.last = new int[groups];
        this.sumXq = new float[stride];
        this.sumQq = new float[stride];
    }

    @Override
    public float search(float[] x, float[] weight, float[] root, float largest, int[] points) {
        return search(x, weight, root, largest, largest / (2 * top + 1), points);
    }

    /**
     * As {@link #search(float[], float[], float[], float, int[])}.
     *
     * @param reach what the tries map to levels around the top one
     * @param otherwise the scale if no try is good
     */
    float search(float[] x, float[] weight, float[] root, float reach, float otherwise, int[] points) {
        TriedScales.scales(levels, reach, stride, inverses, scales);
        spread(x, root);
        for (int k = 0; k < groups; k++) {
            for (int at = 0; at < stride; at += 8) {
                TriedScales.codes(x, k * dimension, dimension, bits, top, inverses, at, rounded, k * stride + at);
            }
            for (int i = 0; i < tries; i++) {
                int at = k * stride + i;
                chosen[at] = nearest(rounded[at], k, scales[i]);
            }
        }
        sum(x, weight);
        int best = best();
        float scale = best < 0 ? otherwise : sumXq[best] / sumQq[best];
        return finish(x, weight, best, scale, points);
    }

    private void spread(float[] x, float[] root) {
        int copies = 32 / dimension;
        for (int i = 0; i < length; i++) {
            Arrays.fill(spreadX, i * copies, (i + 1) * copies, x[i]);
            Arrays.fill(spreadRoot, i * copies, (i + 1) * copies, root[i]);
        }
    }

    private int nearest(int code, int group, float scale) {
        int list = lanes.cells()[code];
        if (list == NeighbourLanes.ON_GRID) {
            return code;
        }
        int from = lanes.first()[list];
        int to = lanes.first()[list + 1];
        int place = dimension == 4
                ? NearestLanes.four(lanes.selectors(), from, to, spreadX, spreadRoot, 32 * group, odd, scale)
                : NearestLanes.eight(lanes.selectors(), from, to, spreadX, spreadRoot, 32 * group, odd, scale);
        if (place < 0) {
            throw ScaleSearch.overflow();
        }
        return lanes.codes()[place];
    }

    private void sum(float[] x, float[] weight) {
        for (int i = 0; i < length; i++) {
            weighted[i] = weight[i] * x[i];
        }
        Arrays.fill(sumXq, 0);
        Arrays.fill(sumQq, 0);
        for (int k = 0; k < groups; k++) {
            for (int at = 0; at < stride; at += 8) {
                if (dimension == 4) {
                    TriedScales.sumFour(chosen, k * stride + at, weight, weighted, 4 * k, sumXq, sumQq, at);
                } else {
                    TriedScales.sumEight(chosen, k * stride + at, weight, weighted, 8 * k, sumXq, sumQq, at);
                }
            }
        }
    }

    private int best() {
        int best = -1;
        float gain = 0;
        for (int i = 0; i < tries; i++) {
            if (sumQq[i] > 0 && sumXq[i] * sumXq[i] > gain * sumQq[i]) {
                gain = sumXq[i] / sumQq[i] * sumXq[i];
                best = i;
            }
        }
        return best;
    }

    private float finish(float[] x, float[] weight, int best, float scale, int[] points) {
        boolean again = scale > 0 && isRefit(best);
        float inverse = 1 / scale;
        for (int k = 0; k < groups; k++) {
            int code = best < 0 ? 0 : chosen[k * stride + best];
            if (again && (refit != Refit.THOSE_OFF_GRID || isOffGrid(k, best))) {
                code = nearest(code(x, k, inverse), k, scale);
            }
            last[k] = code;
            points[k] = neighbours.pointAt(code);
        }
        return again ? fitted(weight, scale) : scale;
    }

    private boolean isRefit(int best) {
        return switch (refit) {
            case THOSE_OFF_GRID -> best >= 0 && isAnyOffGrid(best);
            case ALL_IF_ONE_IS_OFF_GRID -> best < 0 || isAnyOffGrid(best);
            case ALL -> true;
        };
    }

    private boolean isAnyOffGrid(int step) {
        for (int k = 0; k < groups; k++) {
            if (isOffGrid(k, step)) {
                return true;
            }
        }
        return false;
    }

    private boolean isOffGrid(int group, int step) {
        return lanes.cells()[rounded[group * stride + step]] != NeighbourLanes.ON_GRID;
    }

    private int code(float[] x, int group, float inverse) {
        int code = 0;
        for (int i = 0; i < dimension; i++) {
            code |= OddLevels.nearest(inverse, x[group * dimension + i], top) << bits * i;
        }
        return code;
    }

    private float fitted(float[] weight, float otherwise) {
        int mask = (1 << bits) - 1;
        float xq = 0;
        float qq = 0;
        for (int k = 0; k < groups; k++) {
            for (int i = 0; i < dimension; i++) {
                int at = k * dimension + i;
                float q = 2 * (last[k] >> bits * i & mask) + 1;
                xq += weighted[at] * q;
                qq += weight[at] * q * q;
            }
        }
        return qq > 0 ? xq / qq : otherwise;
    }
}
