package dev.quern.quantization.scalar;

/** Levels l that stand for the odd multiples 2l + 1 of a scale: what the IQ types round values and scales to. */
public final class OddLevels {
    private OddLevels() {}

    /**
     * The level nearest to a value.
     *
     * @param inverse one over the scale
     * @param top the largest level
     */
    public static int nearest(float inverse, float value, int top) {
        return Rounding.clamp(Rounding.nearest(0.5f * (inverse * value - 1)), 0, top);
    }
}
