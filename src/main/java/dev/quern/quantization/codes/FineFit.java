package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;

import java.util.Arrays;

/**
 * Finds scales as {@link EvenFit} does, of groups with so many levels, as many below zero as above, that the best scale
 * lies close to that which gives the largest value the last of them. Trials are close to it, two at a time.
 */
final class FineFit {
    /** A group of smaller values only is one of zeros. */
    private static final float ZERO = 1e-15f;

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

    /** The result: a scale for each group; 0 for a group of zeros. */
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
        EvenSums.magnitudes(lanes.x, at, end, units, group);
        FineSums.energies(lanes.x, lanes.w, at, end, energies, group);
        for (int i = 0; i < COUNT; i++) {
            float magnitude = units[group + i];
            units[group + i] = magnitude < ZERO ? 0 : 1 / magnitude;
        }
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
            clipped(set);
            levels += 2 * step;
            step *= WIDER;
        }
    }

    private void clipped(int set) {
        FineSums.clipped(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), inverses, high, sums);
        keepBetter(set * COUNT);
    }

    private void keepBetter(int group) {
        FineSums.keepBetter(sums, inverses, 0, energies, scales, gains, group);
        FineSums.keepBetter(sums, inverses, COUNT, energies, scales, gains, group);
    }

    /**
     * Each group's errors with three scales and the levels nearest for them.
     *
     * @param tried first all groups' first ones
     * @param errors receives them in the order of the scales
     */
    void errors(float[] tried, float[] errors) {
        for (int set = 0; set < lanes.sets(); set++) {
            FineSums.errorsOfThree(
                    lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), tried, set * COUNT, lanes.groups, high, errors);
        }
    }
}
