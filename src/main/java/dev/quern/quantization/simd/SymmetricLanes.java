package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The least squares search of {@link dev.quern.quantization.scalar.SymmetricSearch} for eight groups at once, one a
 * lane. (Trying two steps in one pass over the values was slower: too many registers.)
 *
 * <p>What is rounded is at most max + 1 in magnitude, so the code may be clamped before the magic number is taken off
 * again; the exception are lanes below ggml's threshold, whose result is set to zero in the end.
 */
final class SymmetricLanes {
    private static final float MAGIC = 12582912f;
    private static final int MAGIC_BITS = 0x4b400000;
    private static final float ZERO = 1e-15f;

    /** Values and weights, transposed; the caller fills them. */
    final float[] x = new float[32 * COUNT];

    final float[] weights = new float[32 * COUNT];

    /** The results: the scale, and the inverse scale that the codes come from; both 0 for a group of zeros. */
    final float[] scale = new float[COUNT];

    final float[] inverse = new float[COUNT];

    private final float[] products = new float[32 * COUNT];
    private final float[] extreme = new float[COUNT];
    private final float[] best = new float[COUNT];

    /** Sums of weight x value x code, then of weight x code x code. */
    private final float[] sums = new float[2 * COUNT];

    /**
     * Searches all lanes.
     *
     * @param n values in a group: 16 or 32
     * @param max half the number of codes
     */
    void search(int n, int max) {
        int end = n * COUNT;
        prepare(x, weights, end, extreme, products);
        fit(x, weights, products, end, extreme, -max, max, sums);
        start(sums, extreme, -max, scale, best, inverse);
        for (int step = -9; step <= 9; step++) {
            if (step != 0) {
                float levels = -(max + 0.1f * step);
                fit(x, weights, products, end, extreme, levels, max, sums);
                keepBetter(sums, extreme, levels, scale, best, inverse);
            }
        }
        clearZeros(extreme, scale, inverse);
    }

    /** The value of largest magnitude in each lane, the first of equals; and weight x value. */
    private static void prepare(float[] x, float[] weights, int end, float[] extreme, float[] products) {
        FloatVector largest = FloatVector.zero(FLOATS);
        FloatVector magnitude = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector abs = value.abs();
            VectorMask<Float> larger = abs.compare(VectorOperators.GT, magnitude);
            magnitude = abs.blend(magnitude, larger.not());
            largest = value.blend(largest, larger.not());
            FloatVector.fromArray(FLOATS, weights, i).mul(value).intoArray(products, i);
        }
        largest.intoArray(extreme, 0);
    }

    /** The sums of a step. */
    private static void fit(
            float[] x,
            float[] weights,
            float[] products,
            int end,
            float[] extreme,
            float levels,
            int max,
            float[] sums) {
        FloatVector peak = FloatVector.fromArray(FLOATS, extreme, 0);
        FloatVector factor = FloatVector.broadcast(FLOATS, levels).div(peak);
        FloatVector lx = FloatVector.zero(FLOATS);
        FloatVector l2 = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, weights, i);
            FloatVector product = FloatVector.fromArray(FLOATS, products, i);
            FloatVector code = value.mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - max)
                    .min(MAGIC_BITS + max - 1)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            lx = product.mul(code).add(lx);
            l2 = weight.mul(code).mul(code).add(l2);
        }
        lx.intoArray(sums, 0);
        l2.intoArray(sums, COUNT);
    }

    private static void start(
            float[] sums, float[] extreme, float levels, float[] scale, float[] best, float[] inverse) {
        FloatVector lx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector start = lx.div(l2).blend(0, l2.compare(VectorOperators.EQ, 0));
        start.intoArray(scale, 0);
        start.mul(lx).intoArray(best, 0);
        FloatVector.broadcast(FLOATS, levels)
                .div(FloatVector.fromArray(FLOATS, extreme, 0))
                .intoArray(inverse, 0);
    }

    private static void keepBetter(
            float[] sums, float[] extreme, float levels, float[] scale, float[] best, float[] inverse) {
        FloatVector lx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector bestSoFar = FloatVector.fromArray(FLOATS, best, 0);
        VectorMask<Float> better =
                lx.mul(lx).compare(VectorOperators.GT, bestSoFar.mul(l2)).and(l2.compare(VectorOperators.GT, 0));
        FloatVector trial = lx.div(l2);
        FloatVector trialInverse = FloatVector.broadcast(FLOATS, levels).div(FloatVector.fromArray(FLOATS, extreme, 0));
        FloatVector.fromArray(FLOATS, scale, 0).blend(trial, better).intoArray(scale, 0);
        bestSoFar.blend(trial.mul(lx), better).intoArray(best, 0);
        FloatVector.fromArray(FLOATS, inverse, 0).blend(trialInverse, better).intoArray(inverse, 0);
    }

    private static void clearZeros(float[] extreme, float[] scale, float[] inverse) {
        VectorMask<Float> zero = FloatVector.fromArray(FLOATS, extreme, 0).abs().compare(VectorOperators.LT, ZERO);
        FloatVector.fromArray(FLOATS, scale, 0).blend(0, zero).intoArray(scale, 0);
        FloatVector.fromArray(FLOATS, inverse, 0).blend(0, zero).intoArray(inverse, 0);
    }
}
