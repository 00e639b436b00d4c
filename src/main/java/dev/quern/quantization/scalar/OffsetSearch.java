package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import java.util.Arrays;

/**
 * Finds scale and offset with which codes from 0 to max meet a group of values best: {@code make_qkx2_quants}, and
 * {@code make_qkx3_quants} with weights, which differ in nothing but the parameters their callers give.
 */
final class OffsetSearch {
    private final byte[] trial = new byte[32];
    private float minimum;

    /** The offset of the last search, not above 0; ggml's {@code the_min} is its negative. */
    float minimum() {
        return minimum;
    }

    /** Which trial scales are visited, and by what the fits are compared. */
    record Steps(float first, float step, int last, boolean absolute) {}

    /**
     * @param codes receives {@code n} codes, 0 to max
     * @return the scale; {@link #minimum()} then has the offset
     */
    float search(int n, int max, Steps steps, float[] x, int from, float[] weights, byte[] codes, int codesFrom) {
        float min = x[from];
        float top = min;
        float sumw = weights[0];
        float sumx = sumw * min;
        for (int i = 1; i < n; i++) {
            float value = x[from + i];
            if (value < min) {
                min = value;
            }
            if (value > top) {
                top = value;
            }
            float w = weights[i];
            sumw += w;
            sumx += w * value;
        }
        if (min > 0) {
            min = 0;
        }
        if (top <= min) {
            Arrays.fill(codes, codesFrom, codesFrom + n, (byte) 0);
            minimum = min;
            return 0;
        }
        float inverse = max / (top - min);
        float scale = 1 / inverse;
        float bestError = 0;
        for (int i = 0; i < n; i++) {
            int l = clamp(nearest(inverse * (x[from + i] - min)), 0, max);
            codes[codesFrom + i] = (byte) l;
            bestError += weights[i] * loss(scale * l + min - x[from + i], steps.absolute);
        }
        for (int step = 0; step <= steps.last; step++) {
            // From the second step on "min" is the best offset so far, as in ggml.
            inverse = (steps.first + steps.step * step + max) / (top - min);
            float suml = 0;
            float suml2 = 0;
            float sumxl = 0;
            for (int i = 0; i < n; i++) {
                float value = x[from + i];
                int l = clamp(nearest(inverse * (value - min)), 0, max);
                trial[i] = (byte) l;
                float w = weights[i];
                suml += w * l;
                suml2 += w * l * l;
                sumxl += w * l * value;
            }
            float determinant = sumw * suml2 - suml * suml;
            if (determinant > 0) {
                float trialScale = (sumw * sumxl - sumx * suml) / determinant;
                float trialMin = (suml2 * sumx - suml * sumxl) / determinant;
                if (trialMin > 0) {
                    trialMin = 0;
                    trialScale = sumxl / suml2;
                }
                float error = 0;
                for (int i = 0; i < n; i++) {
                    error += weights[i] * loss(trialScale * trial[i] + trialMin - x[from + i], steps.absolute);
                }
                if (error < bestError) {
                    System.arraycopy(trial, 0, codes, codesFrom, n);
                    bestError = error;
                    scale = trialScale;
                    min = trialMin;
                }
            }
        }
        minimum = min;
        return scale;
    }

    private static float loss(float difference, boolean absolute) {
        return absolute ? Math.abs(difference) : difference * difference;
    }

    /** {@code make_qp_quants}: scale and codes from 0 to max for values that are not negative. */
    static float positive(int n, int max, float[] x, float[] weights, byte[] codes) {
        float top = 0;
        for (int i = 0; i < n; i++) {
            top = top > x[i] ? top : x[i];
        }
        if (top < SymmetricSearch.ZERO) {
            Arrays.fill(codes, 0, n, (byte) 0);
            return 0;
        }
        float inverse = bestInverse(n, max, x, weights, top);
        float sumlx = 0;
        float suml2 = 0;
        for (int i = 0; i < n; i++) {
            int l = Math.min(max, nearest(inverse * x[i]));
            codes[i] = (byte) l;
            float w = weights[i];
            sumlx += w * x[i] * l;
            suml2 += w * l * l;
        }
        for (int round = 0; round < 5; round++) {
            boolean changed = false;
            for (int i = 0; i < n; i++) {
                float w = weights[i];
                int l = codes[i] & 0xFF;
                float slx = sumlx - w * x[i] * l;
                float sl2 = suml2 - w * l * l;
                if (slx > 0 && sl2 > 0) {
                    int next = Math.min(max, nearest(x[i] * sl2 / slx));
                    if (next != l) {
                        slx += w * x[i] * next;
                        sl2 += w * next * next;
                        if (slx * slx * suml2 > sumlx * sumlx * sl2) {
                            codes[i] = (byte) next;
                            sumlx = slx;
                            suml2 = sl2;
                            changed = true;
                        }
                    }
                }
            }
            if (!changed) {
                break;
            }
        }
        return suml2 > 0 ? sumlx / suml2 : 0;
    }

    private static float bestInverse(int n, int max, float[] x, float[] weights, float top) {
        float inverse = max / top;
        float scale = 1 / inverse;
        float best = 0;
        for (int i = 0; i < n; i++) {
            // The first fit alone is not held below max + 1: as a byte, like ggml's array of codes.
            float difference = x[i] - scale * (nearest(inverse * x[i]) & 0xFF);
            best += weights[i] * difference * difference;
        }
        for (int step = -4; step <= 4; step++) {
            if (step == 0) {
                continue;
            }
            float trialInverse = (0.1f * step + max) / top;
            float trialScale = 1 / trialInverse;
            float error = 0;
            for (int i = 0; i < n; i++) {
                float difference = x[i] - trialScale * Math.min(max, nearest(trialInverse * x[i]));
                error += weights[i] * difference * difference;
            }
            if (error < best) {
                best = error;
                inverse = trialInverse;
            }
        }
        return inverse;
    }
}
