package dev.quern.quantization.codes;

import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import dev.quern.quantization.lattice.Neighbours;
import java.util.function.Supplier;

/**
 * The types whose values are coordinates of points of a grid, each with a sign: {@code value = d · scale · ±level}, with
 * an F16 factor {@code d} of a block and a scale of a group, which is one of 16 odd multiples of a unit. Eight
 * neighbouring values have their signs in eight bits, or in seven where the number of minus signs has to be even.
 */
public enum LatticeForm implements ScaledForm {
    IQ2_XXS(QuantType.IQ2_XXS, 32, 0.125f, true, Grids::aroundIq2Xxs),
    IQ2_XS(QuantType.IQ2_XS, 16, 0.125f, true, Grids::aroundIq2Xs),
    IQ2_S(QuantType.IQ2_S, 16, 0.125f, false, Grids::aroundIq2S),
    IQ3_XXS(QuantType.IQ3_XXS, 32, 0.25f, true, Grids::aroundIq3Xxs),
    IQ3_S(QuantType.IQ3_S, 32, 1, false, Grids::aroundIq3S);

    /** Neighbouring values that have their signs together. */
    public static final int SIGNS = 8;

    /** The largest of the 4-bit numbers that stand for scales. */
    public static final int HIGHEST_STEP = 15;

    private final QuantType type;
    private final int group;
    private final float unit;
    private final boolean evenSigns;
    private final Supplier<Neighbours> around;

    LatticeForm(QuantType type, int group, float unit, boolean evenSigns, Supplier<Neighbours> around) {
        this.type = type;
        this.group = group;
        this.unit = unit;
        this.evenSigns = evenSigns;
        this.around = around;
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
        return SIGNS;
    }

    @Override
    public boolean hasGroupScales() {
        return true;
    }

    @Override
    public float nearestScale(float wanted) {
        float step = (float) Math.rint((wanted / unit - 1) / 2);
        return scale((int) Math.clamp(step, 0, HIGHEST_STEP));
    }

    @Override
    public int highestMinimum() {
        return 0;
    }

    /** The scale that a 4-bit number stands for. */
    public float scale(int step) {
        return unit * (2 * step + 1);
    }

    /** The number that stands for a scale. */
    public int step(float scale) {
        return (int) (scale / unit) / 2;
    }

    /** Whether the minus signs of eight values are even in number. */
    public boolean hasEvenSigns() {
        return evenSigns;
    }

    public Grid grid() {
        return around.get().grid();
    }

    /** The number of the point whose coordinates have these levels ({@link Grid#code}); -1 if the grid has none. */
    public int pointAt(int code) {
        return around.get().pointAt(code);
    }
}
