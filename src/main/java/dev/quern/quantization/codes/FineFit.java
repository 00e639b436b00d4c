package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;

import java.util.Arrays;

/**
 * Finds scales as {@link EvenFit} does, of groups with so many levels, as many below zero as above, that the best scale
 * lies close to that which gives the largest value the last of them. Trials are close to it, two at a time.
 */
final class FineFit {
    /** The last level is that of values up to nearly half a level beyond it. */
    private static final float ROUNDED = 0.45f;

    /**
     * Trials without clipping, in pairs, and how far apart they are, in levels that the largest value gets. They matter
     * most where weights are uneven or few values are large: then a scale that meets those is better than a small one.
     */
    private static final int PAIRS = 6;

    private static final float STEP = 0.8f;

    /** How many times as far apart as the pair before are those of two trials that clip. */
    private static final float WIDER = 1.5f;

    /** The part of all levels by which the largest value is clipped at most. */
    private static final float CLIPPED = 0.1f;

    /** A scale rounded to F16, and the values beside it. */
    private static final int SIDES = 3;

    private final GroupLanes lanes;
    private final int high;
    private final float last;
    private final float unclipped;
    private final float[] units;
    private final float[] energies;
    private final float[] gains;
    private final float[] inverses = new float[2 * COUNT];
    private final float[] sums = new float[4 * COUNT];
    private final float[] largest = new float[3 * COUNT];

    // Each scale that is tried when they are rounded, and its error: first all groups' first ones.
    private final float[] tried;
    private final float[] errors;

    /** A scale for each group, before it is rounded; 0 for a group of zeros. */
    final float[] scales;

    FineFit(CodeForm form, GroupLanes lanes) {
        this.lanes = lanes;
        this.high = (int) form.level(form.highestCode());
        this.last = high * (1 + CLIPPED);
        this.unclipped = (high + 0.5f) / last;
        this.units = new float[lanes.groups];
        this.energies = new float[lanes.groups];
        this.gains = new float[lanes.groups];
        this.scales = new float[lanes.groups];
        this.tried = new float[SIDES * lanes.groups];
        this.errors = new float[SIDES * lanes.groups];
    }

    void search() {
        Arrays.fill(scales, 0);
        Arrays.fill(gains, -Float.MAX_VALUE);
        for (int set = 0; set < lanes.sets(); set++) {
            search(set);
        }
    }

    private void search(int set) {
        int group = set * COUNT;
        int at = lanes.at(set);
        int end = lanes.at(set + 1);
        EvenFit.units(lanes, set, units);
        FineSums.energies(lanes.x, lanes.w, at, end, energies, group);
        for (int pair = PAIRS - 1; pair >= 0; pair--) {
            float levels = high + ROUNDED - 2 * pair * STEP;
            FineSums.inversesFor(levels - STEP, levels, units, group, inverses);
            FineSums.unclipped(lanes.x, lanes.w, at, end, inverses, sums);
            keepBetter(group);
        }
        tryClipped(set);
    }

    /** Finer and finer roundings than give all values levels, until all others provably clip too much. */
    private void tryClipped(int set) {
        int group = set * COUNT;
        EvenSums.largest(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), units, group, unclipped, largest);
        float step = STEP;
        float levels = high + ROUNDED + step;
        while (levels < last && !EvenSums.isHopeless(largest, units, gains, group, levels, high)) {
            FineSums.inversesFor(levels, levels + step, units, group, inverses);
            FineSums.clipped(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), inverses, high, sums);
            keepBetter(group);
            levels += 2 * step;
            step *= WIDER;
        }
    }

    private void keepBetter(int group) {
        FineSums.keepBetter(sums, inverses, 0, energies, scales, gains, group);
        FineSums.keepBetter(sums, inverses, COUNT, energies, scales, gains, group);
    }

    /**
     * What F16 makes of the scales found. With so many levels their rounding tells: the values of F16 beside the nearest
     * choose other levels, and the best of the three is taken.
     *
     * @param out receives the first {@code count} groups' scales, from {@code to} on
     */
    void round(float[] out, int to, int count) {
        for (int i = 0; i < count; i++) {
            short nearest = Float.floatToFloat16(scales[i]);
            // Where F16 ends before it no error is a number, and the infinite factor says so.
            out[to + i] = Float.float16ToFloat(nearest);
            for (int side = 0; side < SIDES; side++) {
                tried[side * lanes.groups + i] = RowFit.beside(scales[i], nearest, side - 1);
            }
        }
        for (int set = 0; set < lanes.sets(); set++) {
            FineSums.errorsOfThree(
                    lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), tried, set * COUNT, lanes.groups, high, errors);
        }
        for (int i = 0; i < count; i++) {
            float least = Float.POSITIVE_INFINITY;
            for (int side = 0; side < SIDES; side++) {
                float error = errors[side * lanes.groups + i];
                if (error < least) {
                    least = error;
                    out[to + i] = tried[side * lanes.groups + i];
                }
            }
        }
    }
}
