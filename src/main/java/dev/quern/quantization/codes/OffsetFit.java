package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;

/**
 * Finds scale and minimum of groups: trial scales over the range of the values, each rounding with its least-squares
 * scale and minimum, and then trials more closely around the best.
 */
final class OffsetFit {
    private static final int STEPS = 12;

    /** Rounds of trials beside the best scale, each time half as far from it. */
    private static final int CLOSER = 3;

    /** How far, in levels, the least values may be clipped, up to. */
    private static final float CLIPPED = 0.75f;

    private static final float ZERO = 1e-15f;

    /** Trials give the range from this many levels less than there are to some more. */
    private static final float FEWER = 0.8f;

    private static final float SPAN = 1.9f;

    private final GroupLanes lanes;
    private final int high;
    /** Whether a minimum lies below zero or is nothing: K types store its absolute value. */
    private final boolean belowZero;

    /** How many clippings of the least values are tried. */
    private final int clips;

    private final float[] least;
    private final float[] most;
    private final float[] widths = new float[COUNT];
    private final float[] inverses = new float[COUNT];
    private final float[] offsets = new float[COUNT];
    private final float[] sums = new float[3 * COUNT];
    private final float[] moments = new float[3 * COUNT];
    private final float[] kept = new float[3 * COUNT];

    /** The result: a scale for each group. */
    final float[] scales;

    /** What is taken away from scaled codes. */
    final float[] minima;

    OffsetFit(CodeForm form, GroupLanes lanes) {
        this.lanes = lanes;
        this.high = form.highestCode();
        this.belowZero = form.hasGroupScales();
        this.clips = form.hasGroupScales() ? 4 : 3;
        this.least = new float[lanes.groups];
        this.most = new float[lanes.groups];
        this.scales = new float[lanes.groups];
        this.minima = new float[lanes.groups];
    }

    void search() {
        for (int set = 0; set < lanes.sets(); set++) {
            search(set);
            System.arraycopy(kept, 0, scales, set * COUNT, COUNT);
            System.arraycopy(kept, COUNT, minima, set * COUNT, COUNT);
        }
    }

    private void search(int set) {
        int group = set * COUNT;
        OffsetSums.range(lanes.x, lanes.at(set), lanes.at(set + 1), least, most, group);
        OffsetSums.moments(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), moments);
        for (int lane = 0; lane < COUNT; lane++) {
            least[group + lane] = belowZero ? Math.min(least[group + lane], 0) : least[group + lane];
            kept[lane] = 0;
            kept[COUNT + lane] = -least[group + lane];
            kept[2 * COUNT + lane] = Float.POSITIVE_INFINITY;
        }
        for (int clip = 0; clip < clips; clip++) {
            OffsetSums.clip(least, most, group, clip * (CLIPPED / clips), high, ZERO, widths, offsets);
            for (int i = 0; i < STEPS; i++) {
                OffsetSums.inversesFor(high - FEWER + i * (SPAN / STEPS), widths, inverses);
                attempt(set);
            }
        }
        float aside = SPAN / STEPS / 2 / high;
        for (int round = 0; round < CLOSER; round++) {
            for (int side = -1; side <= 1; side++) {
                System.arraycopy(kept, COUNT, offsets, 0, COUNT);
                OffsetSums.inverses(kept, 0, 1 + side * aside, inverses);
                attempt(set);
            }
            aside /= 2;
        }
    }

    private void attempt(int set) {
        OffsetSums.levels(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), inverses, offsets, high, sums);
        OffsetSums.keepBetter(sums, moments, offsets, belowZero, kept);
    }

    /** Each group's error with a scale and a minimum and the levels nearest for them. */
    void errors(float[] triedScales, float[] triedMinima, float[] errors) {
        for (int set = 0; set < lanes.sets(); set++) {
            int group = set * COUNT;
            EvenLevels.error(
                    lanes.x,
                    lanes.w,
                    lanes.at(set),
                    lanes.at(set + 1),
                    triedScales,
                    triedMinima,
                    group,
                    0,
                    high,
                    errors,
                    group);
        }
    }

    /**
     * Each group's errors with a scale and, one after the other, three minima, and the levels nearest for them.
     *
     * @param scales from {@code from} on
     * @param minima three for each group: first all groups' first ones
     * @param errors receives them in the order of the minima
     */
    void errors(float[] scales, int from, float[] minima, float[] errors) {
        for (int set = 0; set < lanes.sets(); set++) {
            OffsetSums.errorsOfThree(
                    lanes.x,
                    lanes.w,
                    lanes.at(set),
                    lanes.at(set + 1),
                    scales,
                    from + set * COUNT,
                    minima,
                    set * COUNT,
                    lanes.groups,
                    high,
                    errors);
        }
    }

    /**
     * Sums of the levels that a scale and a minimum choose in each group: {@code Σ w l}, {@code Σ w l²}, {@code Σ w l x},
     * and {@code Σ w}, {@code Σ w x}, {@code Σ w x²}.
     *
     * @param sums of a set of eight groups: eight of each
     */
    void sums(int set, float[] triedScales, float[] triedMinima, float[] sums) {
        int group = set * COUNT;
        System.arraycopy(triedMinima, group, offsets, 0, COUNT);
        OffsetSums.inverses(triedScales, group, 1, inverses);
        OffsetSums.levels(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), inverses, offsets, high, sums);
        OffsetSums.moments(lanes.x, lanes.w, lanes.at(set), lanes.at(set + 1), moments);
        System.arraycopy(moments, 0, sums, 3 * COUNT, 3 * COUNT);
    }
}
