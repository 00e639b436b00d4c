package dev.quern.quantization.scalar;

/** The three ways in which ggml turns a float into an integer, including what they make of values out of range. */
public final class Rounding {
    /** 1.5 x 2^23: adding it leaves a float of magnitude below 2^22 rounded, to nearest even, in the low mantissa. */
    public static final float MAGIC = 12582912f;

    public static final int MANTISSA = 0x007fffff;
    public static final int MAGIC_MANTISSA = 0x00400000;

    private Rounding() {}

    /** {@code nearest_int}: to nearest even. Out of range the low mantissa bits of the sum, which are ggml's too. */
    public static int nearest(float value) {
        return (Float.floatToRawIntBits(value + MAGIC) & MANTISSA) - MAGIC_MANTISSA;
    }

    /** C's conversion of float to int as x86 does it (cvttss2si): towards zero; NaN and out of range give 2^31. */
    public static int truncate(float value) {
        int truncated = (int) value;
        return truncated == Integer.MAX_VALUE ? Integer.MIN_VALUE : truncated;
    }

    /** {@code roundf}, then the conversion to int: half away from zero. */
    public static int roundHalfAway(float value) {
        int truncated = truncate(value);
        // Exact below 2^23, where the difference is the fraction; above it there is none, and infinity leaves none.
        float fraction = value - (float) truncated;
        return fraction >= 0.5f && value < 0x1p23f
                ? truncated + 1
                : fraction <= -0.5f && value > -0x1p23f ? truncated - 1 : truncated;
    }

    public static int clamp(int value, int low, int high) {
        return Math.max(low, Math.min(high, value));
    }
}
