package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;

import dev.quern.quantization.simd.NonlinearLevels;
import java.util.Arrays;

/**
 * The weighted least-squares search for one row's scales, minima and codes, aware of the rounding of all of them. Holds
 * scratch: one thread, one instance.
 */
public final class RowFit {
    private static final int ROUNDS = 2;

    /** How many factors are looked at for a block's scales. */
    private static final int FACTORS = 16;

    private final CodeForm form;
    private final GroupLanes lanes;
    private final EvenFit even;
    private final FineFit fine;
    private final OffsetFit offset;
    private final OffsetGroups pairs;

    // Of the groups in the lanes: what is tried, what that costs, and the best so far.
    private final float[] triedScales;
    private final float[] triedMinima;
    private final float[] errors;
    private final float[] bestErrors;
    private final int[] nearScales;
    private final byte[] bestScales;
    private final float[] sums = new float[6 * COUNT];

    // Of one group of uneven levels.
    private final float[] inverses = new float[COUNT];
    private final int[] codes = new int[GroupLanes.VALUES];

    public RowFit(CodeForm form) {
        this.form = form;
        this.lanes = new GroupLanes(form.group());
        this.even = new EvenFit(form, lanes);
        this.fine = new FineFit(form, lanes);
        this.offset = new OffsetFit(form, lanes);
        this.pairs = new OffsetGroups(form, lanes, offset);
        this.triedScales = new float[lanes.groups];
        this.triedMinima = new float[lanes.groups];
        this.errors = new float[lanes.groups];
        this.bestErrors = new float[lanes.groups];
        this.nearScales = new int[lanes.groups];
        this.bestScales = new byte[lanes.groups];
    }

    /**
     * Fills {@code out}.
     *
     * @param x a row, from {@code from} on
     * @param w a positive weight for each of its values, from index 0
     */
    public void fit(float[] x, int from, float[] w, CodedRow out) {
        int length = out.codes().length;
        for (int at = 0; at < length; at += GroupLanes.VALUES) {
            int count = Math.min(length - at, GroupLanes.VALUES);
            lanes.load(x, from + at, w, at, count);
            if (form.hasGroupScales()) {
                int block = at / form.block();
                if (form.hasMinima()) {
                    pairs.fit(out, block);
                } else {
                    evenGroups(out, block);
                }
            } else if (form.hasMinima()) {
                offsetBlocks(out, at / form.block(), count / form.block());
            } else {
                evenBlocks(out, at / form.block(), count / form.block());
            }
            for (int group = at / form.group(); group < (at + count) / form.group(); group++) {
                chooseCodes(x, from, out, group);
            }
        }
    }

    /** The nearest codes for the scale and the minimum that a group has. */
    private void chooseCodes(float[] x, int from, CodedRow out, int group) {
        int to = group * form.group();
        int block = to / form.block();
        float scale = out.d()[block] * out.scales()[group];
        float minimum = out.dmin()[block] * out.minima()[group];
        float inverse = scale == 0 ? 0 : 1 / scale;
        if (form.isUneven()) {
            Arrays.fill(inverses, inverse);
            NonlinearLevels.nearest(x, from + to, from + to + form.group(), inverses, 0, codes);
            NonlinearLevels.pack(codes, form.group(), out.codes(), to);
        } else {
            int low = form.lowestCode() - form.centre();
            int high = form.highestCode() - form.centre();
            EvenLevels.codes(x, from + to, form.group(), inverse, minimum, low, high, form.centre(), out.codes(), to);
        }
    }

    private void evenBlocks(CodedRow out, int block, int count) {
        Arrays.fill(out.scales(), block, block + count, (byte) 1);
        if (form == CodeForm.Q8_0) {
            fine.search();
            fine.round(out.d(), block, count);
            return;
        }
        even.search();
        for (int i = 0; i < count; i++) {
            out.d()[block + i] = half(even.scales[i]);
        }
    }

    /** Where F16 rounds a minimum, the scale is fitted to what became of it: up, down, the better of both. */
    private void offsetBlocks(CodedRow out, int block, int count) {
        offset.search();
        offset.sums(0, offset.scales, offset.minima, sums);
        Arrays.fill(bestErrors, Float.POSITIVE_INFINITY);
        for (int i = 0; i < count; i++) {
            // Where F16 ends before them no error is a number, and infinite ones say so.
            out.d()[block + i] = half(offset.scales[i]);
            out.dmin()[block + i] = half(offset.minima[i]);
        }
        for (int trial = 0; trial < 2; trial++) {
            for (int i = 0; i < count; i++) {
                float minimum = beside(offset.minima[i], trial == 0);
                float fitted = (sums[2 * COUNT + i] + minimum * sums[i]) / sums[COUNT + i];
                triedMinima[i] = minimum;
                triedScales[i] = half(offset.scales[i] > 0 && fitted > 0 ? fitted : offset.scales[i]);
            }
            offset.errors(triedScales, triedMinima, errors);
            for (int i = 0; i < count; i++) {
                if (errors[i] < bestErrors[i]) {
                    bestErrors[i] = errors[i];
                    out.d()[block + i] = triedScales[i];
                    out.dmin()[block + i] = triedMinima[i];
                }
                out.scales()[block + i] = 1;
                out.minima()[block + i] = 1;
            }
        }
    }

    static float half(float value) {
        return Float.float16ToFloat(Float.floatToFloat16(value));
    }

    /** A value that F16 holds: the nearest, whose bits are given, or so many steps from it, on the same side of zero. */
    static float beside(float value, short nearest, int steps) {
        float moved = Float.float16ToFloat((short) (nearest + steps));
        return Float.isFinite(moved) && (value >= 0) == (moved >= 0) ? moved : Float.float16ToFloat(nearest);
    }

    /** The value of F16 nearest to this one, or the nearest on the other side of it. */
    private static float beside(float value, boolean nearest) {
        float near = half(value);
        return nearest || near == value
                ? near
                : beside(value, Float.floatToFloat16(value), Math.abs(near) < Math.abs(value) ? 1 : -1);
    }

    private void evenGroups(CodedRow out, int block) {
        even.search();
        float top = 0;
        for (int group = 0; group < form.groups(); group++) {
            top = Math.abs(even.scales[group]) > Math.abs(top) ? even.scales[group] : top;
        }
        float d = bestFactor(top);
        int first = block * form.groups();
        out.d()[block] = d;
        if (d == 0) {
            Arrays.fill(out.scales(), first, first + form.groups(), (byte) 0);
            return;
        }
        float best = roundScales(d);
        System.arraycopy(bestScales, 0, out.scales(), first, form.groups());
        for (int round = 0; round < ROUNDS; round++) {
            for (int group = 0; group < form.groups(); group++) {
                triedScales[group] = out.d()[block] * out.scales()[first + group];
            }
            d = half(even.factor(triedScales, out.scales(), first));
            float error = d == 0 || d == out.d()[block] ? Float.POSITIVE_INFINITY : roundScales(d);
            if (!(error < best)) {
                break;
            }
            best = error;
            out.d()[block] = d;
            System.arraycopy(bestScales, 0, out.scales(), first, form.groups());
        }
    }

    /**
     * The factor for which rounding the scales costs least. The largest scale takes the end of the range, or a place
     * near it where the others are met better. Levels are taken to stay as they are, so that a scale costs the square of
     * its distance from the best, times the squares of its levels.
     */
    private float bestFactor(float top) {
        float best = Float.POSITIVE_INFINITY;
        // Where F16 ends before it no error is a number, and the infinite factor says so.
        float found = top == 0 ? 0 : half(top / form.lowestScale());
        for (int trial = 0; trial < 2 * FACTORS && top != 0; trial++) {
            float end = trial % 2 == 0 ? form.lowestScale() : form.highestScale();
            float d = half(top / (end * (1 - 0.015f * (trial / 2))));
            if (d == 0) {
                continue;
            }
            EvenSums.costs(even.scales, even.squares, d, form.lowestScale(), form.highestScale(), sums);
            float error = 0;
            for (int lane = 0; lane < COUNT; lane++) {
                error += sums[lane];
            }
            if (error < best) {
                best = error;
                found = d;
            }
        }
        return found;
    }

    /** Finds each group's best integer scale, at most one from the nearest; returns their error. */
    private float roundScales(float d) {
        Arrays.fill(bestErrors, Float.POSITIVE_INFINITY);
        nearest(even.scales, d, nearScales);
        clamp(nearScales, form.lowestScale(), form.highestScale(), bestScales);
        for (int aside = -1; aside <= 1; aside++) {
            for (int group = 0; group < form.groups(); group++) {
                int scale = Math.clamp(nearScales[group] + aside, form.lowestScale(), form.highestScale());
                triedScales[group] = d * scale;
            }
            even.errors(triedScales, errors);
            for (int group = 0; group < form.groups(); group++) {
                if (errors[group] < bestErrors[group]) {
                    bestErrors[group] = errors[group];
                    bestScales[group] =
                            (byte) Math.clamp(nearScales[group] + aside, form.lowestScale(), form.highestScale());
                }
            }
        }
        return total();
    }

    private static void nearest(float[] wanted, float factor, int[] out) {
        for (int group = 0; group < out.length; group++) {
            out[group] = factor == 0 ? 0 : (int) Math.rint(wanted[group] / factor);
        }
    }

    /** What holds until something better is found. */
    private static void clamp(int[] near, int low, int high, byte[] out) {
        for (int group = 0; group < near.length; group++) {
            out[group] = (byte) Math.clamp(near[group], low, high);
        }
    }

    private float total() {
        float total = 0;
        for (int group = 0; group < form.groups(); group++) {
            total += bestErrors[group];
        }
        return total;
    }
}
