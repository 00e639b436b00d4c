package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;

import dev.quern.quantization.simd.NonlinearLevels;
import java.util.Arrays;

/**
 * Finds scales of types without minima: the weighted squared error is least for the scale of some rounding of the
 * values, so roundings are tried over the whole range where they can be good, from both ends of the asymmetric range of
 * levels, and each is given its least-squares scale; then more closely around the best. For Q8_0 see {@link FineFit}.
 */
final class EvenFit {
    /** A group of smaller values only is one of zeros. */
    private static final float ZERO = 1e-15f;

    /** Rounds of trials beside the best scale, each time half as far from it. */
    private static final int CLOSER = 2;

    private final CodeForm form;
    private final GroupLanes lanes;
    private final int low;
    private final int high;

    /** Where trials begin, in levels that the largest value gets, and how far apart they are. */
    private final float first;

    private final float step;
    private final int steps;

    /** The most that a level is, up or down. */
    private final float extreme;

    /** Values less than this part of the largest are clipped by no trial. */
    private final float unclipped;

    /** Whether there are so many levels that errors are measured by what is left of the values. */
    private final boolean many;

    private final float[] units;
    private final float[] inverses = new float[2 * COUNT];
    private final int[] codes = new int[GroupLanes.VALUES];
    private final float[] sums = new float[4 * COUNT];

    /** Of a set: what {@link EvenSums#largest} says. */
    private final float[] largest = new float[3 * COUNT];

    /** The result: a scale for each group, of either sign; 0 for a group of zeros. */
    final float[] scales;

    /** Of each group {@code Σ w l²} for the levels of that scale: what a square of an error of the scale costs. */
    final float[] squares;

    private final float[] gains;

    /** No minimum for any group. */
    private final float[] none;

    EvenFit(CodeForm form, GroupLanes lanes) {
        this.form = form;
        this.lanes = lanes;
        this.low = (int) form.level(form.lowestCode());
        this.high = (int) form.level(form.highestCode());
        this.many = high > 16 && !form.isUneven();
        this.extreme = Math.max(-low, high);
        // The more levels, the less it pays to clip the largest value.
        float span = form.isUneven() ? 0.5f : extreme <= 8 ? 0.5f : extreme <= 16 ? 0.3f : 0.15f;
        this.steps = many ? 20 : extreme > 8 && !form.isUneven() ? 16 : 12;
        this.first = extreme * 1.1f;
        this.unclipped = (Math.min(-low, high) + 0.5f) / first;
        this.step = extreme * (span + 0.1f) / steps;
        this.units = new float[lanes.groups];
        this.scales = new float[lanes.groups];
        this.squares = new float[lanes.groups];
        this.gains = new float[lanes.groups];
        this.none = new float[lanes.groups];
    }

    void search() {
        Arrays.fill(scales, 0);
        Arrays.fill(squares, 0);
        Arrays.fill(gains, many ? -Float.MAX_VALUE : 0);
        for (int set = 0; set < lanes.sets(); set++) {
            search(set);
        }
    }

    private void search(int set) {
        int group = set * COUNT;
        units(lanes, set, units);
        if (many) {
            tryMany(set);
        } else {
            for (int i = 0; i < steps; i++) {
                EvenSums.inversesFor(first - i * step, units, group, inverses);
                attempt(set, 2);
            }
        }
        float aside = step / 2;
        for (int round = 0; round < CLOSER; round++) {
            EvenSums.inversesBeside(scales, units, group, aside, inverses);
            attempt(set, 2);
            aside /= 2;
        }
        EvenSums.inversesBeside(scales, units, group, 0, inverses);
        attempt(set, 1);
    }

    /** 1 over the largest magnitude of each of a set's groups; 0 for a group of zeros. */
    static void units(GroupLanes lanes, int set, float[] units) {
        int group = set * COUNT;
        EvenSums.magnitudes(lanes.x, lanes.at(set), lanes.at(set + 1), units, group);
        for (int i = group; i < group + COUNT; i++) {
            units[i] = units[i] < ZERO ? 0 : 1 / units[i];
        }
    }

    /**
     * From coarse roundings to fine ones, until all finer ones provably clip too much; of equal ones the finest is kept.
     */
    private void tryMany(int set) {
        int group = set * COUNT;
        EvenSums.largest(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), units, group, unclipped, largest);
        for (int i = steps - 1; i >= 0; i--) {
            float levels = first - i * step;
            if (levels > extreme && EvenSums.isHopeless(largest, units, gains, group, levels, extreme)) {
                return;
            }
            EvenSums.inversesFor(levels, units, group, inverses);
            rest(set, COUNT, true);
            rest(set, 0, true);
        }
    }

    private void attempt(int set, int each) {
        if (many) {
            for (int i = 0; i < each; i++) {
                rest(set, i * COUNT, false);
            }
            return;
        }
        measure(set, each > 1);
        for (int i = 0; i < each; i++) {
            EvenSums.keepBetter(sums, i * 2 * COUNT, scales, gains, squares, set * COUNT);
        }
    }

    private void rest(int set, int from, boolean equal) {
        EvenSums.rest(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), inverses, from, low, high, sums);
        EvenSums.keepBetterRest(sums, equal, scales, gains, squares, set * COUNT);
    }

    private void measure(int set, boolean both) {
        int at = lanes.at(set);
        int end = lanes.at(set + 1);
        if (form.isUneven()) {
            NonlinearLevels.nearest(lanes.x, at, end, inverses, 0, codes);
            NonlinearLevels.sums(lanes.x, lanes.w, at, end, codes, sums, 0);
            if (both) {
                NonlinearLevels.nearest(lanes.x, at, end, inverses, COUNT, codes);
                NonlinearLevels.sums(lanes.x, lanes.w, at, end, codes, sums, 2 * COUNT);
            }
        } else {
            EvenSums.two(lanes.x, lanes.w, at, end, inverses, low, high, sums);
        }
    }

    /**
     * Each group's error with a scale and the levels nearest for it; of uneven levels less the error of zeros.
     *
     * @param tried a scale for each group
     */
    void errors(float[] tried, float[] errors) {
        for (int set = 0; set < lanes.sets(); set++) {
            int group = set * COUNT;
            if (!form.isUneven()) {
                EvenLevels.error(
                        lanes.x,
                        lanes.w,
                        lanes.at(set),
                        lanes.at(set + 1),
                        tried,
                        none,
                        group,
                        low,
                        high,
                        errors,
                        group);
                continue;
            }
            EvenSums.inversesBeside(tried, units, group, 0, inverses);
            measure(set, false);
            for (int lane = 0; lane < COUNT; lane++) {
                float scale = tried[group + lane];
                errors[group + lane] = -scale * (2 * sums[lane] - scale * sums[COUNT + lane]);
            }
        }
    }

    /** The factor that makes the error of these scales' levels least, with scales {@code factor · integers}. */
    float factor(float[] tried, byte[] integers, int from) {
        float products = 0;
        float squares = 0;
        for (int set = 0; set < lanes.sets(); set++) {
            int group = set * COUNT;
            EvenSums.inversesBeside(tried, units, group, 0, inverses);
            measure(set, false);
            for (int lane = 0; lane < COUNT; lane++) {
                float scale = integers[from + group + lane];
                products += scale * sums[lane];
                squares += scale * scale * sums[COUNT + lane];
            }
        }
        return squares > 0 ? products / squares : 0;
    }
}
