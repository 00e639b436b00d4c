package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;
import static dev.quern.quantization.simd.Lanes.INTS;

import dev.quern.quantization.scalar.NonlinearCodes;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The scale search of IQ4_NL and IQ4_XS ({@link dev.quern.quantization.scalar.NonlinearBlocks}) for eight groups at
 * once, one a lane.
 */
final class NonlinearLanes {
    private static final int TRIES = 7;
    private static final int LENGTH = 32;
    private static final float ZERO = 1e-15f;

    /** Values and weights, transposed; the caller fills them. */
    final float[] x = new float[LENGTH * COUNT];

    final float[] weights = new float[LENGTH * COUNT];

    /** The result. */
    final float[] scale = new float[COUNT];

    private final int[] codes = new int[LENGTH * COUNT];
    private final float[] extreme = new float[COUNT];
    private final float[] best = new float[COUNT];
    private final float[] inverse = new float[COUNT];
    private final float[] sums = new float[2 * COUNT];

    /** Searches all lanes. */
    void search() {
        int lowest = NonlinearCodes.level(0);
        prepare(x, extreme, inverse, lowest);
        fit();
        start(sums, scale, best);
        for (int step = -TRIES; step <= TRIES; step++) {
            next(step + lowest, extreme, inverse);
            fit();
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

    private void fit() {
        NonlinearLevels.nearest(x, 0, LENGTH * COUNT, inverse, 0, codes);
        sum(x, weights, codes, sums);
    }

    /** Sums of weight x level x value and of weight x level x level, every product rounded before it is added. */
    private static void sum(float[] x, float[] weights, int[] codes, float[] sums) {
        IntVector lower = IntVector.fromArray(INTS, NonlinearLevels.LOWER, 0);
        IntVector upper = IntVector.fromArray(INTS, NonlinearLevels.UPPER, 0);
        FloatVector qx = FloatVector.zero(FLOATS);
        FloatVector q2 = FloatVector.zero(FLOATS);
        for (int i = 0; i < LENGTH * COUNT; i += COUNT) {
            IntVector code = IntVector.fromArray(INTS, codes, i);
            IntVector place = code.and(7);
            FloatVector level = place.selectFrom(upper)
                    .blend(place.selectFrom(lower), code.compare(VectorOperators.LT, 8))
                    .reinterpretAsFloats();
            FloatVector weighted = FloatVector.fromArray(FLOATS, weights, i).mul(level);
            qx = weighted.mul(FloatVector.fromArray(FLOATS, x, i)).add(qx);
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
    void putCodes(float[] values, int from, float factor, byte[] out, int to) {
        Arrays.fill(inverse, factor);
        NonlinearLevels.nearest(values, from, from + LENGTH, inverse, 0, codes);
        NonlinearLevels.pack(codes, LENGTH, out, to);
    }
}
