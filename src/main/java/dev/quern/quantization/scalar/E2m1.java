package dev.quern.quantization.scalar;

/** The 4-bit float of MXFP4 and NVFP4, times two so that it is an integer, and the scales that go with it. */
final class E2m1 {
    private static final int[] DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    private E2m1() {}

    static float decode(int code, float halfScale) {
        return DOUBLED[code] * halfScale;
    }

    /** The code whose value is nearest, the first of several; 0 if no error is a number. */
    static int nearest(float value, float halfScale) {
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

    static float largest(float[] row, int from, int length) {
        float largest = 0;
        for (int i = from; i < from + length; i++) {
            float magnitude = Math.abs(row[i]);
            if (largest < magnitude) {
                largest = magnitude;
            }
        }
        return largest;
    }
}
