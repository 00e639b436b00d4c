package dev.quern.quantization.simd;

import dev.quern.quantization.lattice.Grids;
import dev.quern.quantization.lattice.Neighbours;
import dev.quern.quantization.scalar.ScaleSearch;
import dev.quern.quantization.scalar.TernaryGrid;
import java.util.Arrays;

/** IQ1's rounding to its grid, eight neighbours at a time. */
final class SimdTernaryGrid extends TernaryGrid {
    private final Neighbours neighbours = Grids.aroundIq1();
    private final NeighbourLanes lanes = NeighbourLanes.iq1();
    private final float[] spreadX = new float[32];
    private final float[] spreadWeight = new float[32];
    private final float[] q = new float[8];

    SimdTernaryGrid() {
        super(Grids.aroundIq1());
    }

    @Override
    protected int neighbour(
            int code, float[] row, int from, float[] weight, int weights, float scale, float[] shifted) {
        for (int i = 0; i < 8; i++) {
            Arrays.fill(spreadX, 4 * i, 4 * i + 4, row[from + i]);
            Arrays.fill(spreadWeight, 4 * i, 4 * i + 4, weight[weights + i]);
        }
        for (int level = 0; level < 3; level++) {
            q[level] = shifted[level];
            q[level + 4] = shifted[level];
        }
        int list = lanes.cells()[code];
        int place = NearestLanes.eight(
                lanes.selectors(), lanes.first()[list], lanes.first()[list + 1], spreadX, spreadWeight, 0, q, scale);
        if (place < 0) {
            throw ScaleSearch.overflow();
        }
        return neighbours.pointAt(lanes.codes()[place]);
    }
}
