package dev.quern.quantization.scalar;

/** The 16 levels of IQ4_NL and IQ4_XS, and the nearest of them. */
public final class NonlinearCodes {
    /** {@code kvalues_iq4nl} of ggml-common.h, llama.cpp v0.5.0. */
    private static final byte[] LEVELS = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    /** The code of every value from -128 up in steps of a half: the borders between levels are multiples of it. */
    private static final byte[] NEAREST = nearest();

    private NonlinearCodes() {}

    public static int level(int code) {
        return LEVELS[code];
    }

    private static byte[] nearest() {
        byte[] codes = new byte[512];
        for (int i = 0; i < codes.length; i++) {
            int code = 0;
            while (code < 15 && i - 256 >= LEVELS[code] + LEVELS[code + 1]) {
                code++;
            }
            codes[i] = (byte) code;
        }
        return codes;
    }

    /** {@code best_index_int8}: midway the upper one, and for NaN the highest. */
    public static int nearest(float value) {
        if (value < -127) {
            return 0;
        }
        return value < 113 ? NEAREST[(int) Math.floor(value * 2) + 256] : 15;
    }
}
