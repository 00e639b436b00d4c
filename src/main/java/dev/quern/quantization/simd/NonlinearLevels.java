package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;
import static dev.quern.quantization.simd.Lanes.INTS;

import dev.quern.quantization.scalar.NonlinearCodes;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The nearest of the 16 levels of {@link NonlinearCodes}, for eight groups at once, one a lane.
 *
 * <p>The nearest level is found by four comparisons with borders between them. The first border is always the middle
 * one; each next is looked up by the bits that are known, which for a table of eight is one instruction. Every
 * comparison asks whether the value is below, so that NaN ends at the highest level, as it does in ggml.
 */
public final class NonlinearLevels {
    /** Border k lies between levels k - 1 and k, and belongs to the upper one. */
    private static final float BORDER_4 = border(4);

    private static final float BORDER_8 = border(8);
    private static final float BORDER_12 = border(12);

    /** By the upper two bits: borders 2, 6, 10, 14, and then unused. */
    private static final float[] THIRD_BORDERS = borders(2, 4, 4);

    /** By the upper three bits: borders 1, 3, … 15. */
    private static final float[] FOURTH_BORDERS = borders(1, 2, 8);

    /** Bits of the floats that the lower eight codes stand for, and the upper: tables for a vector of codes. */
    static final int[] LOWER = levels(0);

    static final int[] UPPER = levels(8);

    private NonlinearLevels() {}

    private static float border(int k) {
        return (NonlinearCodes.level(k - 1) + NonlinearCodes.level(k)) / 2f;
    }

    private static float[] borders(int first, int step, int count) {
        float[] borders = new float[COUNT];
        for (int i = 0; i < count; i++) {
            borders[i] = border(first + i * step);
        }
        return borders;
    }

    private static int[] levels(int first) {
        int[] levels = new int[COUNT];
        for (int i = 0; i < COUNT; i++) {
            levels[i] = Float.floatToRawIntBits(NonlinearCodes.level(first + i));
        }
        return levels;
    }

    /**
     * Codes of the levels nearest to {@code x · inverse}.
     *
     * @param x values of eight groups from {@code at} to {@code end}: value i of group g at {@code 8 i + g}
     * @param inverses one for each group, from {@code from} on
     * @param codes receives {@code end - at} of them
     */
    public static void nearest(float[] x, int at, int end, float[] inverses, int from, int[] codes) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, from);
        IntVector thirdBorders = FloatVector.fromArray(FLOATS, THIRD_BORDERS, 0).reinterpretAsInts();
        IntVector fourthBorders =
                FloatVector.fromArray(FLOATS, FOURTH_BORDERS, 0).reinterpretAsInts();
        for (int i = at; i < end; i += COUNT) {
            FloatVector scaled = FloatVector.fromArray(FLOATS, x, i).mul(inverse);
            VectorMask<Float> low = scaled.compare(VectorOperators.LT, BORDER_8);
            FloatVector second = FloatVector.broadcast(FLOATS, BORDER_12).blend(BORDER_4, low);
            IntVector code = IntVector.broadcast(INTS, 3)
                    .blend(1, low.cast(INTS))
                    .add(scaled.compare(VectorOperators.LT, second)
                            .cast(INTS)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector third = code.selectFrom(thirdBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, third)
                            .cast(INTS)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector fourth = code.selectFrom(fourthBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, fourth)
                            .cast(INTS)
                            .toVector()
                            .reinterpretAsInts());
            code.intoArray(codes, i - at);
        }
    }

    /**
     * Sums with the levels of codes, every product fused with its sum.
     *
     * @param codes of the values from {@code at} on
     * @param sums receives eight {@code Σ w l x} and eight {@code Σ w l²}, from {@code to} on
     */
    public static void sums(float[] x, float[] w, int at, int end, int[] codes, float[] sums, int to) {
        IntVector lower = IntVector.fromArray(INTS, LOWER, 0);
        IntVector upper = IntVector.fromArray(INTS, UPPER, 0);
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        for (int i = at; i < end; i += COUNT) {
            IntVector code = IntVector.fromArray(INTS, codes, i - at);
            IntVector place = code.and(7);
            FloatVector level = place.selectFrom(upper)
                    .blend(place.selectFrom(lower), code.compare(VectorOperators.LT, 8))
                    .reinterpretAsFloats();
            FloatVector weighed = FloatVector.fromArray(FLOATS, w, i).mul(level);
            products = weighed.fma(FloatVector.fromArray(FLOATS, x, i), products);
            squares = weighed.fma(level, squares);
        }
        products.intoArray(sums, to);
        squares.intoArray(sums, to + COUNT);
    }

    /** Codes as bytes; {@code count} is a multiple of eight. */
    public static void pack(int[] codes, int count, byte[] out, int to) {
        for (int i = 0; i < count; i += COUNT) {
            ((ByteVector) IntVector.fromArray(INTS, codes, i).convertShape(VectorOperators.I2B, Lanes.BYTES, 0))
                    .intoArray(out, to + i);
        }
    }
}
