package dev.quern.quantization.scalar;

/** What the block types with the values -d, 0 and d have in common. */
final class Ternary {
    private Ternary() {}

    static float largest(float[] row, int from, int length) {
        float largest = 0;
        for (int i = from; i < from + length; i++) {
            largest = Math.max(largest, Math.abs(row[i]));
        }
        return largest;
    }

    static float inverse(float d) {
        return d == 0 ? 0 : 1 / d;
    }

    /**
     * 0, 1 or 2 for -d, 0 or d. Halves go away from zero (lroundf). A subnormal d has an infinite inverse; what then is
     * no number or infinite counts as 0, which is what lroundf's result is cut to.
     */
    static int trit(float value, float inverse) {
        float scaled = value * inverse;
        if (!(Math.abs(scaled) <= 1)) {
            return beyond(scaled);
        }
        return scaled >= 0.5f ? 2 : scaled <= -0.5f ? 0 : 1;
    }

    private static int beyond(float scaled) {
        // d · (1 / d) can exceed 1 by a rounding error, never by a half
        return Float.isFinite(scaled) ? scaled > 0 ? 2 : 0 : 1;
    }
}
