package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code make_qp_quants}, as {@link dev.quern.quantization.scalar.OffsetSearch#positive}, for the scales or the minima
 * of eight super-blocks at once, one a lane. Rounding is exact for any value here, with the mantissa masked.
 */
final class PositiveLanes {
    private static final float MAGIC = 12582912f;
    private static final int MANTISSA = 0x007fffff;
    private static final int MAGIC_MANTISSA = 0x00400000;
    private static final float ZERO = 1e-15f;

    /** Values and weights, transposed; the caller fills them. */
    final float[] x = new float[16 * COUNT];

    final float[] weights = new float[16 * COUNT];

    /** The results: codes (transposed) and scale. */
    final int[] codes = new int[16 * COUNT];

    final float[] scale = new float[COUNT];

    private final float[] top = new float[COUNT];
    private final float[] inverse = new float[COUNT];
    private final float[] best = new float[COUNT];
    private final float[] error = new float[COUNT];
    private final float[] sums = new float[2 * COUNT];

    /**
     * Searches all lanes.
     *
     * @param n values in a group: 8 or 16
     * @param max the largest code
     */
    void search(int n, int max) {
        int end = n * COUNT;
        start(x, end, max, top, inverse);
        firstLoss(x, weights, end, inverse, best);
        for (int step = -4; step <= 4; step++) {
            if (step != 0) {
                float levels = 0.1f * step + max;
                loss(x, weights, end, top, levels, max, error);
                keepBetter(top, levels, error, best, inverse);
            }
        }
        fit(x, weights, end, inverse, max, codes, sums);
        for (int round = 0; round < 5; round++) {
            boolean changed = false;
            for (int i = 0; i < end; i += COUNT) {
                changed |= refine(x, weights, i, max, codes, sums);
            }
            if (!changed) {
                break;
            }
        }
        finish(top, end, sums, codes, scale);
    }

    private static void start(float[] x, int end, int max, float[] top, float[] inverse) {
        FloatVector most = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            most = value.blend(most, value.compare(VectorOperators.LT, most));
        }
        most.intoArray(top, 0);
        FloatVector.broadcast(FLOATS, max).div(most).intoArray(inverse, 0);
    }

    private static void firstLoss(float[] x, float[] weights, int end, float[] inverse, float[] best) {
        FloatVector factor = FloatVector.fromArray(FLOATS, inverse, 0);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1).div(factor);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            IntVector code = value.mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .and(MANTISSA)
                    .sub(MAGIC_MANTISSA)
                    .and(0xFF);
            FloatVector difference = value.sub(scale.mul((FloatVector) code.convert(VectorOperators.I2F, 0)));
            sum = FloatVector.fromArray(FLOATS, weights, i)
                    .mul(difference)
                    .mul(difference)
                    .add(sum);
        }
        sum.intoArray(best, 0);
    }

    private static void loss(float[] x, float[] weights, int end, float[] top, float levels, int max, float[] error) {
        FloatVector factor = FloatVector.broadcast(FLOATS, levels).div(FloatVector.fromArray(FLOATS, top, 0));
        FloatVector scale = FloatVector.broadcast(FLOATS, 1).div(factor);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            IntVector code = value.mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .and(MANTISSA)
                    .sub(MAGIC_MANTISSA)
                    .min(max);
            FloatVector difference = value.sub(scale.mul((FloatVector) code.convert(VectorOperators.I2F, 0)));
            sum = FloatVector.fromArray(FLOATS, weights, i)
                    .mul(difference)
                    .mul(difference)
                    .add(sum);
        }
        sum.intoArray(error, 0);
    }

    private static void keepBetter(float[] top, float levels, float[] error, float[] best, float[] inverse) {
        FloatVector trial = FloatVector.fromArray(FLOATS, error, 0);
        FloatVector bestSoFar = FloatVector.fromArray(FLOATS, best, 0);
        VectorMask<Float> better = trial.compare(VectorOperators.LT, bestSoFar);
        bestSoFar.blend(trial, better).intoArray(best, 0);
        FloatVector trialInverse = FloatVector.broadcast(FLOATS, levels).div(FloatVector.fromArray(FLOATS, top, 0));
        FloatVector.fromArray(FLOATS, inverse, 0).blend(trialInverse, better).intoArray(inverse, 0);
    }

    private static void fit(float[] x, float[] weights, int end, float[] inverse, int max, int[] codes, float[] sums) {
        FloatVector factor = FloatVector.fromArray(FLOATS, inverse, 0);
        FloatVector lx = FloatVector.zero(FLOATS);
        FloatVector l2 = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            IntVector code = value.mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .and(MANTISSA)
                    .sub(MAGIC_MANTISSA)
                    .min(max);
            code.and(0xFF).intoArray(codes, i);
            FloatVector level = (FloatVector) code.convert(VectorOperators.I2F, 0);
            FloatVector weight = FloatVector.fromArray(FLOATS, weights, i);
            lx = weight.mul(value).mul(level).add(lx);
            l2 = weight.mul(level).mul(level).add(l2);
        }
        lx.intoArray(sums, 0);
        l2.intoArray(sums, COUNT);
    }

    /** One value of each lane: the code that suits the others' sums best, where it improves on the present one. */
    private static boolean refine(float[] x, float[] weights, int at, int max, int[] codes, float[] sums) {
        FloatVector lx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector value = FloatVector.fromArray(FLOATS, x, at);
        FloatVector weight = FloatVector.fromArray(FLOATS, weights, at);
        IntVector code = IntVector.fromArray(Lanes.INTS, codes, at);
        FloatVector level = (FloatVector) code.convert(VectorOperators.I2F, 0);
        FloatVector product = weight.mul(value);
        FloatVector otherLx = lx.sub(product.mul(level));
        FloatVector otherL2 = l2.sub(weight.mul(level).mul(level));
        IntVector next = value.mul(otherL2)
                .div(otherLx)
                .add(MAGIC)
                .reinterpretAsInts()
                .and(MANTISSA)
                .sub(MAGIC_MANTISSA)
                .min(max);
        VectorMask<Float> differs = next.compare(VectorOperators.NE, code)
                .cast(FLOATS)
                .and(otherLx.compare(VectorOperators.GT, 0))
                .and(otherL2.compare(VectorOperators.GT, 0));
        // Mostly no lane wants a change; the sums then stay, and the next value need not wait for them.
        if (!differs.anyTrue()) {
            return false;
        }
        FloatVector nextLevel = (FloatVector) next.convert(VectorOperators.I2F, 0);
        FloatVector nextLx = otherLx.add(product.mul(nextLevel));
        FloatVector nextL2 = otherL2.add(weight.mul(nextLevel).mul(nextLevel));
        VectorMask<Float> better = nextLx.mul(nextLx)
                .mul(l2)
                .compare(VectorOperators.GT, lx.mul(lx).mul(nextL2))
                .and(differs);
        lx.blend(nextLx, better).intoArray(sums, 0);
        l2.blend(nextL2, better).intoArray(sums, COUNT);
        code.blend(next.and(0xFF), better.cast(Lanes.INTS)).intoArray(codes, at);
        return better.anyTrue();
    }

    private static void finish(float[] top, int end, float[] sums, int[] codes, float[] scale) {
        VectorMask<Float> zero = FloatVector.fromArray(FLOATS, top, 0).compare(VectorOperators.LT, ZERO);
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        VectorMask<Float> none = l2.compare(VectorOperators.GT, 0).not().or(zero);
        FloatVector.fromArray(FLOATS, sums, 0).div(l2).blend(0, none).intoArray(scale, 0);
        VectorMask<Integer> cleared = zero.cast(Lanes.INTS);
        for (int i = 0; i < end; i += COUNT) {
            IntVector.fromArray(Lanes.INTS, codes, i).blend(0, cleared).intoArray(codes, i);
        }
    }
}
