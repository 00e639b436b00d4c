package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;

/** Eight groups of values side by side: value i of group g at {@code 8 i + g}, so that each lane has a group. */
final class Transposed {
    private Transposed() {}

    /** @param groups how many there are, at most eight; the other lanes get zeros */
    static void gather(float[] x, int from, int groups, int n, float[] lanes) {
        if (groups == COUNT) {
            gatherAll(x, from, n, lanes);
            return;
        }
        for (int i = 0; i < n; i++) {
            for (int group = 0; group < COUNT; group++) {
                lanes[i * COUNT + group] = group < groups ? x[from + group * n + i] : 0;
            }
        }
    }

    private static void gatherAll(float[] x, int from, int n, float[] lanes) {
        for (int i = 0; i < n; i++) {
            int at = from + i;
            int to = i * COUNT;
            lanes[to] = x[at];
            lanes[to + 1] = x[at + n];
            lanes[to + 2] = x[at + 2 * n];
            lanes[to + 3] = x[at + 3 * n];
            lanes[to + 4] = x[at + 4 * n];
            lanes[to + 5] = x[at + 5 * n];
            lanes[to + 6] = x[at + 6 * n];
            lanes[to + 7] = x[at + 7 * n];
        }
    }
}
