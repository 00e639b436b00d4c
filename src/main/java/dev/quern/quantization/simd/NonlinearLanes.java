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
 * The scale search of IQ4_NL and IQ4_XS ({@link dev.quern.quantization.scalar.NonlinearBlocks}) for eight groups at
 * once, one a lane.
 *
 * <p>The nearest of the 16 levels is found by four comparisons with borders between them. The first border is always
 * the middle one; each next is looked up by the bits that are known, which for a table of eight is one instruction.
 * Every comparison asks whether the value is below, so that NaN ends at the highest level, as it does in ggml.
 */
final class NonlinearLanes {
    private static final int TRIES = 7;
    private static final int LENGTH = 32;
    private static final float ZERO = 1e-15f;

    /** Border k lies between levels k - 1 and k, and belongs to the upper one. */
    private static final float BORDER_4 = border(4);

    private static final float BORDER_8 = border(8);
    private static final float BORDER_12 = border(12);

    /** By the upper two bits: borders 2, 6, 10, 14, and then unused. */
    private static final float[] THIRD_BORDERS = borders(2, 4, 4);

    /** By the upper three bits: borders 1, 3, … 15. */
    private static final float[] FOURTH_BORDERS = borders(1, 2, 8);

    private static final float[] LOW_LEVELS = levels(0);
    private static final float[] HIGH_LEVELS = levels(8);

    /** Values and weights, transposed; the caller fills them. */
    final float[] x = new float[LENGTH * COUNT];

    final float[] weights = new float[LENGTH * COUNT];

    /** The result. */
    final float[] scale = new float[COUNT];

    private final float[] extreme = new float[COUNT];
    private final float[] best = new float[COUNT];
    private final float[] inverse = new float[COUNT];
    private final float[] sums = new float[2 * COUNT];

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

    /** Searches all lanes. */
    void search() {
        int lowest = NonlinearCodes.level(0);
        prepare(x, extreme, inverse, lowest);
        fit(x, weights, inverse, sums);
        start(sums, scale, best);
        for (int step = -TRIES; step <= TRIES; step++) {
            next(step + lowest, extreme, inverse);
            fit(x, weights, inverse, sums);
            keepBetter(sums, scale, best);
        }
        clearZeros(extreme, scale);
    }

    /** The value of largest magnitude in each lane, the first of equals; and the first inverse. */
    private static void prepare(float[] x, float[] extreme, float[] inverse, int lowest) {
        FloatVector largest = FloatVector.zero(FLOATS);
        FloatVector magnitude = FloatVector.zero(FLOATS);
        for (int i = 0; i < LENGTH * COUNT; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector abs = value.abs();
            VectorMask<Float> larger = abs.compare(VectorOperators.GT, magnitude);
            magnitude = abs.blend(magnitude, larger.not());
            largest = value.blend(largest, larger.not());
        }
        largest.intoArray(extreme, 0);
        FloatVector.broadcast(FLOATS, 1).div(largest.neg().div(lowest)).intoArray(inverse, 0);
    }

    private static void next(float levels, float[] extreme, float[] inverse) {
        FloatVector.broadcast(FLOATS, levels)
                .div(FloatVector.fromArray(FLOATS, extreme, 0))
                .intoArray(inverse, 0);
    }

    /** Sums of weight x level x value and of weight x level x level, the levels nearest to the scaled values. */
    private static void fit(float[] x, float[] weights, float[] inverse, float[] sums) {
        FloatVector factor = FloatVector.fromArray(FLOATS, inverse, 0);
        IntVector thirdBorders = FloatVector.fromArray(FLOATS, THIRD_BORDERS, 0).reinterpretAsInts();
        IntVector fourthBorders =
                FloatVector.fromArray(FLOATS, FOURTH_BORDERS, 0).reinterpretAsInts();
        IntVector lowLevels = FloatVector.fromArray(FLOATS, LOW_LEVELS, 0).reinterpretAsInts();
        IntVector highLevels = FloatVector.fromArray(FLOATS, HIGH_LEVELS, 0).reinterpretAsInts();
        FloatVector qx = FloatVector.zero(FLOATS);
        FloatVector q2 = FloatVector.zero(FLOATS);
        for (int i = 0; i < LENGTH * COUNT; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector scaled = value.mul(factor);
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
                            .reinterpretAsInts())
                    .and(7);
            FloatVector level = code.selectFrom(highLevels)
                    .blend(code.selectFrom(lowLevels), low.cast(INTS))
                    .reinterpretAsFloats();
            FloatVector weighted = FloatVector.fromArray(FLOATS, weights, i).mul(level);
            qx = weighted.mul(value).add(qx);
            q2 = weighted.mul(level).add(q2);
        }
        qx.intoArray(sums, 0);
        q2.intoArray(sums, COUNT);
    }

    private static void start(float[] sums, float[] scale, float[] best) {
        FloatVector qx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector q2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        VectorMask<Float> none = q2.compare(VectorOperators.GT, 0).not();
        FloatVector start = qx.div(q2).blend(0, none);
        start.intoArray(scale, 0);
        start.mul(qx).intoArray(best, 0);
    }

    private static void keepBetter(float[] sums, float[] scale, float[] best) {
        FloatVector qx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector q2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector bestSoFar = FloatVector.fromArray(FLOATS, best, 0);
        VectorMask<Float> better =
                qx.mul(qx).compare(VectorOperators.GT, bestSoFar.mul(q2)).and(q2.compare(VectorOperators.GT, 0));
        FloatVector trial = qx.div(q2);
        FloatVector.fromArray(FLOATS, scale, 0).blend(trial, better).intoArray(scale, 0);
        bestSoFar.blend(trial.mul(qx), better).intoArray(best, 0);
    }

    private static void clearZeros(float[] extreme, float[] scale) {
        VectorMask<Float> zero = FloatVector.fromArray(FLOATS, extreme, 0).abs().compare(VectorOperators.LT, ZERO);
        FloatVector.fromArray(FLOATS, scale, 0).blend(0, zero).intoArray(scale, 0);
    }

    /** The codes of one group's 32 values, in their order. */
    static void putCodes(float[] x, int from, float inverse, byte[] codes, int to) {
        IntVector thirdBorders = FloatVector.fromArray(FLOATS, THIRD_BORDERS, 0).reinterpretAsInts();
        IntVector fourthBorders =
                FloatVector.fromArray(FLOATS, FOURTH_BORDERS, 0).reinterpretAsInts();
        for (int i = 0; i < LENGTH; i += COUNT) {
            FloatVector scaled = FloatVector.fromArray(FLOATS, x, from + i).mul(inverse);
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
            ((ByteVector) code.convertShape(VectorOperators.I2B, Lanes.BYTES, 0)).intoArray(codes, to + i);
        }
    }
}
