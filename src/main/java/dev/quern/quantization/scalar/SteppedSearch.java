package dev.quern.quantization.scalar;

import dev.quern.quantization.lattice.Neighbours;
import java.util.Arrays;

/**
 * The search of IQ2_XS, IQ2_S, IQ3_XXS and IQ3_S: tries scales around that which maps the largest value to the top
 * level, keeps the one whose fitted scale gains most, and chooses points once more at that scale.
 */
final class SteppedSearch implements ScaleSearch {
    private final NearestPoint nearest;
    private final GroupFit fit;
    private final int groups;
    private final int topOdd;
    private final int tries;
    private final float step;
    private final boolean refitAll;
    private final int origin;
    private final int[] candidate;
    private final boolean[] onGrid;
    private final boolean[] candidateOnGrid;

    /**
     * @param length values of a sub-block
     * @param tries scales tried on either side of the middle one
     * @param step between the tries, in levels
     * @param refitAll whether all groups, or only those that were off the grid, choose a point again at the last scale;
     *     with it, they do so too when no try was good
     */
    SteppedSearch(Neighbours neighbours, int length, int tries, float step, boolean refitAll) {
        this.nearest = new NearestPoint(neighbours);
        this.fit = new GroupFit(neighbours.grid(), length);
        this.groups = length / neighbours.grid().dimension();
        this.topOdd = 2 * neighbours.grid().levels() - 1;
        this.tries = tries;
        this.step = step;
        this.refitAll = refitAll;
        this.origin = neighbours.pointAt(0);
        this.candidate = new int[groups];
        this.onGrid = new boolean[groups];
        this.candidateOnGrid = new boolean[groups];
    }

    @Override
    public float search(float[] x, float[] weight, float[] root, float largest, int[] points) {
        float best = 0;
        float scale = largest / topOdd;
        Arrays.fill(points, 0, groups, origin);
        Arrays.fill(onGrid, !refitAll);
        for (int step = -tries; step <= tries; step++) {
            float inverse = (topOdd + step * this.step) / largest;
            float tried = 1 / inverse;
            for (int k = 0; k < groups; k++) {
                int code = nearest.code(x, k, inverse);
                candidateOnGrid[k] = nearest.isOnGrid(code);
                candidate[k] = nearest.point(code, x, root, k, tried);
            }
            fit.sum(x, weight, candidate);
            if (fit.isBetterThan(best)) {
                scale = fit.scaleOr(scale);
                best = fit.gain(scale);
                System.arraycopy(candidate, 0, points, 0, groups);
                System.arraycopy(candidateOnGrid, 0, onGrid, 0, groups);
            }
        }
        return scale > 0 && refit(x, root, scale, points) ? fitted(x, weight, points, scale) : scale;
    }

    private boolean refit(float[] x, float[] root, float scale, int[] points) {
        boolean anyOff = false;
        for (int k = 0; k < groups; k++) {
            anyOff |= !onGrid[k];
        }
        if (!anyOff) {
            return false;
        }
        float inverse = 1 / scale;
        for (int k = 0; k < groups; k++) {
            if (refitAll || !onGrid[k]) {
                points[k] = nearest.point(nearest.code(x, k, inverse), x, root, k, scale);
            }
        }
        return true;
    }

    private float fitted(float[] x, float[] weight, int[] points, float scale) {
        fit.sum(x, weight, points);
        return fit.scaleOr(scale);
    }
}
