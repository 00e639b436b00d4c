package dev.quern.quantization.scalar;

/** Encodes to the 4-bit float of MXFP4 and NVFP4, counted in halves so that it is an integer: 0 to 12, with a sign. */
public class E2m1 {
    private static final float[] DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    /** Twice what a code stands for. */
    protected static float doubled(int code) {
        return DOUBLED[code];
    }

    static float decode(int code, float halfScale) {
        return DOUBLED[code] * halfScale;
    }

    /** The largest magnitude among {@code count} values. */
    protected float largest(float[] row, int from, int count) {
        float largest = 0;
        for (int i = from; i < from + count; i++) {
            float magnitude = Math.abs(row[i]);
            if (largest < magnitude) {
                largest = magnitude;
            }
        }
        return largest;
    }

    /** Each value's code with the smallest error, the first of several; 0 if no error is a number. */
    protected void nearest(float[] row, int from, int count, float halfScale, int[] codes) {
        for (int i = 0; i < count; i++) {
            codes[i] = nearest(row[from + i], halfScale);
        }
    }

    private static int nearest(float value, float halfScale) {
        int best = 0;
        float error = Math.abs(DOUBLED[0] * halfScale - value);
        for (int code = 1; code < 16; code++) {
            float e = Math.abs(DOUBLED[code] * halfScale - value);
            if (e < error) {
                best = code;
                error = e;
            }
        }
        return best;
    }
}
