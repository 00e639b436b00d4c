package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.RowFit.half;

import java.util.Arrays;

/**
 * The K types with minima: finds a block's two factors and each group's pair of integers, a scale's and a minimum's. Three
 * integers are tried for either, the nearest and those beside it, and always three minima at once.
 */
final class OffsetGroups {
    private static final int ROUNDS = 2;

    private static final int SIDES = 3;

    /** Integers that a factor's largest value takes: the last, or this part of one less, or twice that. */
    private static final float LESS = 0.75f;

    private final CodeForm form;
    private final OffsetFit offset;
    private final int groups;

    // What is tried, three after each other for all groups: integers, and what they are with their factors.
    private final float[] scaleIntegers;
    private final float[] minimumIntegers;
    private final float[] scales;
    private final float[] minima;
    private final float[] errors;

    // Of each group the best so far: its error, and which of the nine pairs it is.
    private final float[] bestErrors;
    private final float[] bestPairs;
    private final float[] sums = new float[6 * COUNT];
    private final int sets;
    private float factor;
    private float minimumFactor;

    OffsetGroups(CodeForm form, GroupLanes lanes, OffsetFit offset) {
        this.form = form;
        this.offset = offset;
        this.groups = lanes.groups;
        this.sets = lanes.sets();
        this.scaleIntegers = new float[SIDES * groups];
        this.minimumIntegers = new float[SIDES * groups];
        this.scales = new float[SIDES * groups];
        this.minima = new float[SIDES * groups];
        this.errors = new float[SIDES * groups];
        this.bestErrors = new float[groups];
        this.bestPairs = new float[groups];
    }

    /** Fills in a block's factors and integers. */
    void fit(CodedRow out, int block) {
        offset.search();
        chooseFactors(out, block);
        float best = roundPairs(out.d()[block], out.dmin()[block]);
        takePairs(out, block);
        for (int round = 0; round < ROUNDS; round++) {
            fitFactors(out, block);
            float d = half(factor);
            float dmin = half(minimumFactor);
            boolean same = d == out.d()[block] && dmin == out.dmin()[block];
            float error = d > 0 && dmin >= 0 && !same ? roundPairs(d, dmin) : Float.POSITIVE_INFINITY;
            if (!(error < best)) {
                break;
            }
            best = error;
            out.d()[block] = d;
            out.dmin()[block] = dmin;
            takePairs(out, block);
        }
    }

    /** Where there are but 15 integers, it matters which of them the largest takes. */
    private void chooseFactors(CodedRow out, int block) {
        float topScale = 0;
        float topMinimum = 0;
        for (int group = 0; group < groups; group++) {
            topScale = Math.max(topScale, offset.scales[group]);
            topMinimum = Math.max(topMinimum, offset.minima[group]);
        }
        // Where F16 ends before them no error is a number, and infinite ones say so.
        out.d()[block] = half(topScale / form.highestScale());
        out.dmin()[block] = half(topMinimum / form.highestMinimum());
        if (form.highestScale() >= 63) {
            return;
        }
        for (int side = 0; side < SIDES; side++) {
            OffsetSums.beside(
                    offset.scales,
                    shortOf(topScale, form.highestScale(), side),
                    0,
                    form.highestScale(),
                    scaleIntegers,
                    scales,
                    side * groups);
            OffsetSums.beside(
                    offset.minima,
                    shortOf(topMinimum, form.highestMinimum(), side),
                    0,
                    form.highestMinimum(),
                    minimumIntegers,
                    minima,
                    side * groups);
        }
        float best = Float.POSITIVE_INFINITY;
        for (int side = 0; side < SIDES; side++) {
            offset.errors(scales, side * groups, minima, errors);
            for (int i = 0; i < SIDES; i++) {
                float error = total(errors, i * groups);
                if (error < best) {
                    best = error;
                    out.d()[block] = shortOf(topScale, form.highestScale(), side);
                    out.dmin()[block] = shortOf(topMinimum, form.highestMinimum(), i);
                }
            }
        }
    }

    private static float shortOf(float top, int highest, int side) {
        return half(top / (highest - LESS * side));
    }

    /** Finds each group's best pair of integers, at most one from the nearest; returns their error. */
    private float roundPairs(float d, float dmin) {
        for (int side = 0; side < SIDES; side++) {
            int at = side * groups;
            OffsetSums.beside(offset.scales, d, side - 1, form.highestScale(), scaleIntegers, scales, at);
            OffsetSums.beside(offset.minima, dmin, side - 1, form.highestMinimum(), minimumIntegers, minima, at);
        }
        Arrays.fill(bestErrors, Float.POSITIVE_INFINITY);
        // Where no error is a number the nearest pair holds.
        Arrays.fill(bestPairs, SIDES + 1);
        for (int side = 0; side < SIDES; side++) {
            offset.errors(scales, side * groups, minima, errors);
            for (int i = 0; i < SIDES; i++) {
                OffsetSums.keepLess(errors, i * groups, side * SIDES + i, bestErrors, bestPairs);
            }
        }
        return total(bestErrors, 0);
    }

    private float total(float[] of, int from) {
        float total = 0;
        for (int group = 0; group < groups; group++) {
            float error = of[from + group];
            total += error < Float.POSITIVE_INFINITY ? error : Float.POSITIVE_INFINITY;
        }
        return total;
    }

    private void takePairs(CodedRow out, int block) {
        for (int group = 0; group < groups; group++) {
            int pair = (int) bestPairs[group];
            out.scales()[block * groups + group] = (byte) scaleIntegers[pair / SIDES * groups + group];
            out.minima()[block * groups + group] = (byte) minimumIntegers[pair % SIDES * groups + group];
        }
    }

    /** The best d and dmin for the levels and integers that are. */
    private void fitFactors(CodedRow out, int block) {
        int first = block * groups;
        for (int group = 0; group < groups; group++) {
            scales[group] = out.d()[block] * out.scales()[first + group];
            minima[group] = out.dmin()[block] * out.minima()[first + group];
        }
        double a = 0;
        double b = 0;
        double c = 0;
        double p = 0;
        double q = 0;
        for (int set = 0; set < sets; set++) {
            offset.sums(set, scales, minima, sums);
            for (int lane = 0; lane < COUNT; lane++) {
                double scale = out.scales()[first + set * COUNT + lane];
                double minimum = out.minima()[first + set * COUNT + lane];
                a += scale * scale * sums[COUNT + lane];
                b += scale * minimum * sums[lane];
                c += minimum * minimum * sums[3 * COUNT + lane];
                p += scale * sums[2 * COUNT + lane];
                q -= minimum * sums[4 * COUNT + lane];
            }
        }
        double determinant = a * c - b * b;
        if (determinant <= 1e-12 * a * c || determinant <= 0) {
            factor = a > 0 ? (float) (p / a) : 0;
            minimumFactor = 0;
            return;
        }
        factor = (float) ((p * c + b * q) / determinant);
        minimumFactor = (float) ((a * q + b * p) / determinant);
    }
}
