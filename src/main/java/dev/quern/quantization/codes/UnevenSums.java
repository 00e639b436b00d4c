package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.GroupLanes.FLOATS;

import dev.quern.quantization.scalar.NonlinearCodes;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The sums of {@link EvenSums} with the nearest of 16 uneven levels, found by four comparisons with borders between
 * them: the middle one, and then the one that a table of eight has for what is known.
 */
final class UnevenSums {
    private static final float BORDER_4 = border(4);
    private static final float BORDER_8 = border(8);
    private static final float BORDER_12 = border(12);

    /** By the upper two bits: borders 2, 6, 10, 14, and then unused. */
    private static final float[] THIRD_BORDERS = borders(2, 4, 4);

    /** By the upper three bits: borders 1, 3, … 15. */
    private static final float[] FOURTH_BORDERS = borders(1, 2, 8);

    private static final float[] LOW_LEVELS = levels(0);
    private static final float[] HIGH_LEVELS = levels(8);

    private UnevenSums() {}

    /** Border k lies between levels k - 1 and k, and belongs to the upper one. */
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

    private static float[] levels(int first) {
        float[] levels = new float[COUNT];
        for (int i = 0; i < COUNT; i++) {
            levels[i] = NonlinearCodes.level(first + i);
        }
        return levels;
    }

    /**
     * @param inverses eight, from {@code from} on
     * @param sums receives eight {@code Σ w l x} and eight {@code Σ w l²}
     */
    static void one(float[] x, float[] w, int at, int end, float[] inverses, int from, float[] sums, int to) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, from);
        IntVector thirdBorders = FloatVector.fromArray(FLOATS, THIRD_BORDERS, 0).reinterpretAsInts();
        IntVector fourthBorders =
                FloatVector.fromArray(FLOATS, FOURTH_BORDERS, 0).reinterpretAsInts();
        IntVector lowLevels = FloatVector.fromArray(FLOATS, LOW_LEVELS, 0).reinterpretAsInts();
        IntVector highLevels = FloatVector.fromArray(FLOATS, HIGH_LEVELS, 0).reinterpretAsInts();
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        for (int i = at; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector scaled = value.mul(inverse);
            VectorMask<Float> low = scaled.compare(VectorOperators.LT, BORDER_8);
            FloatVector second = FloatVector.broadcast(FLOATS, BORDER_12).blend(BORDER_4, low);
            IntVector code = IntVector.broadcast(IntVector.SPECIES_256, 3)
                    .blend(1, low.cast(IntVector.SPECIES_256))
                    .add(scaled.compare(VectorOperators.LT, second)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector third = code.selectFrom(thirdBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, third)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector fourth = code.selectFrom(fourthBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, fourth)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts())
                    .and(7);
            FloatVector level = code.selectFrom(highLevels)
                    .blend(code.selectFrom(lowLevels), low.cast(IntVector.SPECIES_256))
                    .reinterpretAsFloats();
            FloatVector weighed = FloatVector.fromArray(FLOATS, w, i).mul(level);
            products = weighed.fma(value, products);
            squares = weighed.fma(level, squares);
        }
        products.intoArray(sums, to);
        squares.intoArray(sums, to + COUNT);
    }

    /** The codes of one group's values, which lie side by side. */
    static void codes(float[] x, int at, int count, float inverse, byte[] codes, int to) {
        IntVector thirdBorders = FloatVector.fromArray(FLOATS, THIRD_BORDERS, 0).reinterpretAsInts();
        IntVector fourthBorders =
                FloatVector.fromArray(FLOATS, FOURTH_BORDERS, 0).reinterpretAsInts();
        for (int i = 0; i < count; i += COUNT) {
            FloatVector scaled = FloatVector.fromArray(FLOATS, x, at + i).mul(inverse);
            VectorMask<Float> low = scaled.compare(VectorOperators.LT, BORDER_8);
            FloatVector second = FloatVector.broadcast(FLOATS, BORDER_12).blend(BORDER_4, low);
            IntVector code = IntVector.broadcast(IntVector.SPECIES_256, 3)
                    .blend(1, low.cast(IntVector.SPECIES_256))
                    .add(scaled.compare(VectorOperators.LT, second)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector third = code.selectFrom(thirdBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, third)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts());
            FloatVector fourth = code.selectFrom(fourthBorders).reinterpretAsFloats();
            code = code.add(code)
                    .add(1)
                    .add(scaled.compare(VectorOperators.LT, fourth)
                            .cast(IntVector.SPECIES_256)
                            .toVector()
                            .reinterpretAsInts());
            ((ByteVector) code.convertShape(VectorOperators.I2B, ByteVector.SPECIES_64, 0)).intoArray(codes, to + i);
        }
    }
}
