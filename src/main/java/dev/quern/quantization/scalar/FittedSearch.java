package dev.quern.quantization.scalar;

import dev.quern.quantization.lattice.Neighbours;
import java.util.Arrays;

/**
 * The search of IQ2_XXS: the scale that fits unconstrained levels best comes first, then scales around it, and all
 * groups choose their points once more at the scale that won.
 */
final class FittedSearch implements ScaleSearch {
    private static final int LENGTH = 32;
    private static final int GROUPS = 4;
    private static final int LEVELS = 3;
    private static final int TRIES = 6;

    private final NearestPoint nearest;
    private final GroupFit fit;
    private final LevelFit levels = new LevelFit(LENGTH, LEVELS + 1);
    private final int origin;
    private final int[] candidate = new int[GROUPS];

    FittedSearch(Neighbours neighbours) {
        this.nearest = new NearestPoint(neighbours);
        this.fit = new GroupFit(neighbours.grid(), LENGTH);
        this.origin = neighbours.pointAt(0);
    }

    @Override
    public float search(float[] x, float[] weight, float[] root, float largest, int[] points) {
        float scale = levels.scale(x, weight);
        float reach = scale * LEVELS;
        if (reach <= 0) {
            points[0] = NONE;
            return 0;
        }
        Arrays.fill(points, 0, GROUPS, origin);
        float best = 0;
        for (int step = -TRIES; step <= TRIES; step++) {
            float inverse = (2 * LEVELS - 1 + step * 0.1f) / reach;
            choose(x, root, inverse, 1 / inverse, candidate);
            fit.sum(x, weight, candidate);
            if (fit.isBetterThan(best)) {
                scale = fit.scaleOr(scale);
                best = fit.gain(scale);
                System.arraycopy(candidate, 0, points, 0, GROUPS);
            }
        }
        if (scale > 0) {
            choose(x, root, 1 / scale, scale, points);
            fit.sum(x, weight, points);
            scale = fit.scaleOr(scale);
        }
        return scale;
    }

    private void choose(float[] x, float[] root, float inverse, float scale, int[] points) {
        for (int k = 0; k < GROUPS; k++) {
            points[k] = nearest.point(nearest.code(x, k, inverse), x, root, k, scale);
        }
    }
}
