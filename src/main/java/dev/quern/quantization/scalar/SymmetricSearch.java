package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import java.util.Arrays;

/** Finds the scale with which codes from -max to max - 1 meet a group of values best. Codes are stored plus max. */
final class SymmetricSearch {
    /** {@code GROUP_MAX_EPS}: a group whose largest magnitude is below this counts as zero. */
    static final float ZERO = 1e-15f;

    private SymmetricSearch() {}

    /** The value of largest magnitude, the first of equals; 0 for none. */
    static float extreme(float[] x, int from, int n) {
        float extreme = 0;
        float magnitude = 0;
        for (int i = 0; i < n; i++) {
            float abs = Math.abs(x[from + i]);
            if (abs > magnitude) {
                magnitude = abs;
                extreme = x[from + i];
            }
        }
        return extreme;
    }

    /**
     * {@code make_qx_quants} with rmse_type 1: weighted least squares over 19 trial scales.
     *
     * @param codes receives {@code n} codes, 0 to 2 max - 1
     * @return the scale
     */
    static float leastSquares(
            int n, int max, float[] x, int from, float[] weights, int weightsFrom, byte[] codes, int codesFrom) {
        float extreme = extreme(x, from, n);
        if (Math.abs(extreme) < ZERO) {
            Arrays.fill(codes, codesFrom, codesFrom + n, (byte) 0);
            return 0;
        }
        float inverse = -max / extreme;
        float sumlx = 0;
        float suml2 = 0;
        for (int i = 0; i < n; i++) {
            float value = x[from + i];
            int l = clamp(nearest(inverse * value), -max, max - 1);
            codes[codesFrom + i] = (byte) (l + max);
            float w = weights[weightsFrom + i];
            sumlx += w * value * l;
            suml2 += w * l * l;
        }
        float scale = suml2 != 0 ? sumlx / suml2 : 0;
        float best = scale * sumlx;
        for (int step = -9; step <= 9; step++) {
            if (step == 0) {
                continue;
            }
            inverse = -(max + 0.1f * step) / extreme;
            sumlx = 0;
            suml2 = 0;
            for (int i = 0; i < n; i++) {
                float value = x[from + i];
                int l = clamp(nearest(inverse * value), -max, max - 1);
                float w = weights[weightsFrom + i];
                sumlx += w * value * l;
                suml2 += w * l * l;
            }
            if (suml2 > 0 && sumlx * sumlx > best * suml2) {
                for (int i = 0; i < n; i++) {
                    codes[codesFrom + i] = (byte) (max + clamp(nearest(inverse * x[from + i]), -max, max - 1));
                }
                scale = sumlx / suml2;
                best = scale * sumlx;
            }
        }
        return scale;
    }

    /** {@code make_q3_quants}: codes by the largest value, then up to five rounds of single changes that help. */
    static float byRefinement(int n, int max, float[] x, int from, byte[] codes, int codesFrom) {
        float extreme = extreme(x, from, n);
        if (Math.abs(extreme) < ZERO) {
            Arrays.fill(codes, codesFrom, codesFrom + n, (byte) 0);
            return 0;
        }
        float inverse = -max / extreme;
        float sumlx = 0;
        float suml2 = 0;
        for (int i = 0; i < n; i++) {
            float value = x[from + i];
            int l = clamp(nearest(inverse * value), -max, max - 1);
            codes[codesFrom + i] = (byte) l;
            float w = value * value;
            sumlx += w * value * l;
            suml2 += w * l * l;
        }
        for (int round = 0; round < 5; round++) {
            boolean changed = false;
            for (int i = 0; i < n; i++) {
                float value = x[from + i];
                float w = value * value;
                int l = codes[codesFrom + i];
                float slx = sumlx - w * value * l;
                if (slx > 0) {
                    float sl2 = suml2 - w * l * l;
                    int next = clamp(nearest(value * sl2 / slx), -max, max - 1);
                    if (next != l) {
                        slx += w * value * next;
                        sl2 += w * next * next;
                        if (sl2 > 0 && slx * slx * suml2 > sumlx * sumlx * sl2) {
                            codes[codesFrom + i] = (byte) next;
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
        for (int i = 0; i < n; i++) {
            codes[codesFrom + i] += (byte) max;
        }
        return suml2 > 0 ? sumlx / suml2 : 0;
    }
}
