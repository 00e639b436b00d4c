package dev.quern.quantization.codes;

import dev.quern.quantization.QuantType;
import dev.quern.quantization.scalar.NonlinearCodes;
import java.util.Optional;

/**
 * The types whose every value has a code of its own: {@code value = d · scale · level(code) - dmin · minimum}, with
 * F16 factors {@code d} and {@code dmin} of a block, an integer {@code scale} and {@code minimum} of a group, and
 * {@code level(code) = code - centre}, or one of 16 uneven levels.
 *
 * <p>Where a block has no groups, its one group's scale is 1. Q4_1 and Q5_1 store {@code -dmin}, and its minimum is 1.
 */
public enum CodeForm implements ScaledForm {
    Q4_0(QuantType.Q4_0, 32, 0, 15, 8, 1, 1, 0),
    Q4_1(QuantType.Q4_1, 32, 0, 15, 0, 1, 1, 1),
    Q5_0(QuantType.Q5_0, 32, 0, 31, 16, 1, 1, 0),
    Q5_1(QuantType.Q5_1, 32, 0, 31, 0, 1, 1, 1),
    /** -128 is left out: ggml never writes it, and its kernels take absolute values in a byte. */
    Q8_0(QuantType.Q8_0, 32, 1, 255, 128, 1, 1, 0),
    Q2_K(QuantType.Q2_K, 16, 0, 3, 0, 0, 15, 15),
    Q3_K(QuantType.Q3_K, 16, 0, 7, 4, -32, 31, 0),
    Q4_K(QuantType.Q4_K, 32, 0, 15, 0, 0, 63, 63),
    Q5_K(QuantType.Q5_K, 32, 0, 31, 0, 0, 63, 63),
    Q6_K(QuantType.Q6_K, 16, 0, 63, 32, -128, 127, 0),
    IQ4_NL(QuantType.IQ4_NL, 32, 0, 15, 0, 1, 1, 0),
    IQ4_XS(QuantType.IQ4_XS, 32, 0, 15, 0, -32, 31, 0);

    private final QuantType type;
    private final int group;
    private final int lowestCode;
    private final int highestCode;
    private final int centre;
    private final int lowestScale;
    private final int highestScale;
    private final int highestMinimum;

    CodeForm(
            QuantType type,
            int group,
            int lowestCode,
            int highestCode,
            int centre,
            int lowestScale,
            int highestScale,
            int highestMinimum) {
        this.type = type;
        this.group = group;
        this.lowestCode = lowestCode;
        this.highestCode = highestCode;
        this.centre = centre;
        this.lowestScale = lowestScale;
        this.highestScale = highestScale;
        this.highestMinimum = highestMinimum;
    }

    /** Empty for types whose codes are points of a grid, or that have no codes. */
    public static Optional<CodeForm> of(QuantType type) {
        for (CodeForm form : values()) {
            if (form.type == type) {
                return Optional.of(form);
            }
        }
        return Optional.empty();
    }

    @Override
    public QuantType type() {
        return type;
    }

    @Override
    public int group() {
        return group;
    }

    @Override
    public int together() {
        return 1;
    }

    public int lowestCode() {
        return lowestCode;
    }

    public int highestCode() {
        return highestCode;
    }

    /** Which code stands for nothing, where levels are even. */
    public int centre() {
        return centre;
    }

    public int lowestScale() {
        return lowestScale;
    }

    public int highestScale() {
        return highestScale;
    }

    @Override
    public float nearestScale(float wanted) {
        return Math.clamp((float) Math.rint(wanted), lowestScale, highestScale);
    }

    @Override
    public int highestMinimum() {
        return highestMinimum;
    }

    @Override
    public boolean hasGroupScales() {
        return lowestScale != highestScale;
    }

    /** Whether codes stand for the 16 uneven levels of {@link NonlinearCodes}. */
    public boolean isUneven() {
        return this == IQ4_NL || this == IQ4_XS;
    }

    /** What a code stands for, before it is scaled. */
    public float level(int code) {
        return isUneven() ? NonlinearCodes.level(code) : code - centre;
    }
}
