package dev.quern.quantization.simd;

import dev.quern.quantization.lattice.Grids;
import dev.quern.quantization.scalar.LevelFit;
import dev.quern.quantization.scalar.ScaleSearch;
import jdk.incubator.vector.FloatVector;

/** What the scalar FittedSearch does, its tries in lanes. */
final class SimdFittedSearch implements ScaleSearch {
    private static final int LENGTH = 32;
    private static final int LEVELS = 3;

    private final SimdSteppedSearch stepped = new SimdSteppedSearch(
            Grids.aroundIq2Xxs(), NeighbourLanes.iq2Xxs(), LENGTH, 6, 0.1f, SimdSteppedSearch.Refit.ALL);
    private final LevelFit fit = new LanedFit();

    @Override
    public float search(float[] x, float[] weight, float[] root, float largest, int[] points) {
        float scale = fit.scale(x, weight);
        float reach = scale * LEVELS;
        if (reach <= 0) {
            points[0] = NONE;
            return 0;
        }
        return stepped.search(x, weight, root, reach, scale, points);
    }

    private static final class LanedFit extends LevelFit {
        private static final float[] STEPS = {-4, -3, -2, -1, 1, 2, 3, 4};
        private final float[] inverses = new float[8];
        private final float[] errors = new float[8];

        LanedFit() {
            super(LENGTH, LEVELS + 1);
        }

        @Override
        protected float bestInverse(float[] x, float[] weight, float largest) {
            FloatVector.fromArray(Lanes.FLOATS, STEPS, 0)
                    .mul(0.1f)
                    .add(LEVELS + 1)
                    .div(largest)
                    .intoArray(inverses, 0);
            TriedScales.errors(x, weight, LENGTH, LEVELS + 1, inverses, errors);
            float best = (LEVELS + 1) / largest;
            float smallest = firstError(x, weight, best);
            for (int i = 0; i < 8; i++) {
                if (errors[i] < smallest) {
                    smallest = errors[i];
                    best = inverses[i];
                }
            }
            return best;
        }
    }
}
