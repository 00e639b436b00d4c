package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The search of {@link dev.quern.quantization.scalar.OffsetSearch} for eight groups at once, one a lane. The kernels
 * pass eight floats from one to the next through arrays.
 *
 * <p>Rounding here is right for magnitudes below 2^22. A lane where a value to be rounded could be larger (a fit whose
 * minimum has come up to the group's maximum; an overflow) is marked odd, and its caller has the scalar codec do it.
 */
final class OffsetLanes {
    /** 1.5 x 2^23, as a float and as its bits: see {@link dev.quern.quantization.scalar.Rounding#MAGIC}. */
    private static final float MAGIC = 12582912f;

    private static final int MAGIC_BITS = 0x4b400000;
    private static final float LIMIT = 4194303f;

    /** Values and weights, transposed; the caller fills them. */
    final float[] x = new float[32 * COUNT];

    final float[] weights = new float[32 * COUNT];

    /** The results: scale and minimum (not negated), and the step that codes come from: inverse scale and base. */
    final float[] scale = new float[COUNT];

    final float[] minimum = new float[COUNT];
    final float[] bestInverse = new float[COUNT];
    final float[] bestBase = new float[COUNT];

    private final float[] codes = new float[32 * COUNT];
    private final float[] least = new float[COUNT];
    private final float[] most = new float[COUNT];
    private final float[] weightSum = new float[COUNT];
    private final float[] valueSum = new float[COUNT];
    private final float[] inverse = new float[COUNT];
    private final float[] bestError = new float[COUNT];
    private final float[] error = new float[COUNT];
    private final float[] trialScale = new float[COUNT];
    private final float[] trialMinimum = new float[COUNT];
    private final float[] codeSum = new float[COUNT];
    private final float[] squareSum = new float[COUNT];
    private final float[] productSum = new float[COUNT];

    /**
     * Searches all lanes.
     *
     * @param n values in a group: 16 or 32
     * @param max the largest code
     * @return bit g: group g is odd and has no result
     */
    int search(int n, int max, float first, float delta, int last, boolean absolute) {
        int end = n * COUNT;
        range(x, end, least, most);
        sums(x, weights, end, weightSum, valueSum);
        start(least, most, max, minimum, inverse, scale);
        int odd = outOfRange(least, most, minimum, inverse);
        fit(x, weights, codes, end, inverse, minimum, max, codeSum, squareSum, productSum);
        loss(x, weights, codes, end, scale, minimum, absolute, bestError);
        System.arraycopy(inverse, 0, bestInverse, 0, COUNT);
        System.arraycopy(minimum, 0, bestBase, 0, COUNT);
        for (int step = 0; step <= last; step++) {
            next(first + delta * step + max, most, minimum, inverse);
            odd |= outOfRange(least, most, minimum, inverse);
            fit(x, weights, codes, end, inverse, minimum, max, codeSum, squareSum, productSum);
            solve();
            loss(x, weights, codes, end, trialScale, trialMinimum, absolute, error);
            keepBetter();
        }
        return odd;
    }

    private static void range(float[] x, int end, float[] least, float[] most) {
        FloatVector min = FloatVector.fromArray(FLOATS, x, 0);
        FloatVector max = min;
        for (int i = COUNT; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            min = value.blend(min, value.compare(VectorOperators.LT, min).not());
            max = value.blend(max, value.compare(VectorOperators.GT, max).not());
        }
        min.intoArray(least, 0);
        max.intoArray(most, 0);
    }

    private static void sums(float[] x, float[] weights, int end, float[] weightSum, float[] valueSum) {
        FloatVector ofWeights = FloatVector.fromArray(FLOATS, weights, 0);
        FloatVector ofValues = ofWeights.mul(FloatVector.fromArray(FLOATS, x, 0));
        for (int i = COUNT; i < end; i += COUNT) {
            FloatVector weight = FloatVector.fromArray(FLOATS, weights, i);
            ofWeights = weight.add(ofWeights);
            ofValues = weight.mul(FloatVector.fromArray(FLOATS, x, i)).add(ofValues);
        }
        ofWeights.intoArray(weightSum, 0);
        ofValues.intoArray(valueSum, 0);
    }

    /**
     * Minimum, inverse scale and scale before the first step. A flat group has scale 0 for good; its maximum is moved
     * away from its minimum, so that all its codes are 0 and no step improves on them.
     */
    private static void start(float[] least, float[] most, int max, float[] minimum, float[] inverse, float[] scale) {
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector min = FloatVector.fromArray(FLOATS, least, 0);
        min = min.blend(zero, min.compare(VectorOperators.GT, 0));
        FloatVector top = FloatVector.fromArray(FLOATS, most, 0);
        VectorMask<Float> flat = top.compare(VectorOperators.LE, min);
        FloatVector away = zero.blend(1, min.compare(VectorOperators.EQ, 0));
        top = top.blend(away, flat);
        FloatVector start = FloatVector.broadcast(FLOATS, max).div(top.sub(min));
        min.intoArray(minimum, 0);
        top.intoArray(most, 0);
        start.intoArray(inverse, 0);
        FloatVector.broadcast(FLOATS, 1).div(start).blend(zero, flat).intoArray(scale, 0);
    }

    /** The inverse scale of a step: {@code levels / (most - minimum)}, with the best minimum so far. */
    private static void next(float levels, float[] most, float[] minimum, float[] inverse) {
        FloatVector range = FloatVector.fromArray(FLOATS, most, 0).sub(FloatVector.fromArray(FLOATS, minimum, 0));
        FloatVector.broadcast(FLOATS, levels).div(range).intoArray(inverse, 0);
    }

    /** Lanes where the least or the largest value, and so perhaps others between, would be rounded out of range. */
    private static int outOfRange(float[] least, float[] most, float[] minimum, float[] inverse) {
        FloatVector base = FloatVector.fromArray(FLOATS, minimum, 0);
        FloatVector factor = FloatVector.fromArray(FLOATS, inverse, 0);
        VectorMask<Float> low = FloatVector.fromArray(FLOATS, least, 0)
                .sub(base)
                .mul(factor)
                .abs()
                .compare(VectorOperators.LE, LIMIT);
        VectorMask<Float> high = FloatVector.fromArray(FLOATS, most, 0)
                .sub(base)
                .mul(factor)
                .abs()
                .compare(VectorOperators.LE, LIMIT);
        return (int) low.and(high).toLong() ^ 0xFF;
    }

    /** Codes of all values under an inverse scale and a base, and their weighted sums. */
    private static void fit(
            float[] x,
            float[] weights,
            float[] codes,
            int end,
            float[] inverse,
            float[] base,
            int max,
            float[] codeSum,
            float[] squareSum,
            float[] productSum) {
        FloatVector factor = FloatVector.fromArray(FLOATS, inverse, 0);
        FloatVector origin = FloatVector.fromArray(FLOATS, base, 0);
        FloatVector ofCodes = FloatVector.zero(FLOATS);
        FloatVector ofSquares = FloatVector.zero(FLOATS);
        FloatVector ofProducts = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector code = value.sub(origin)
                    .mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + max)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            code.intoArray(codes, i);
            FloatVector weighted = FloatVector.fromArray(FLOATS, weights, i).mul(code);
            ofCodes = weighted.add(ofCodes);
            ofSquares = weighted.mul(code).add(ofSquares);
            ofProducts = weighted.mul(value).add(ofProducts);
        }
        ofCodes.intoArray(codeSum, 0);
        ofSquares.intoArray(squareSum, 0);
        ofProducts.intoArray(productSum, 0);
    }

    private static void loss(
            float[] x,
            float[] weights,
            float[] codes,
            int end,
            float[] scale,
            float[] minimum,
            boolean absolute,
            float[] error) {
        if (absolute) {
            absoluteLoss(x, weights, codes, end, scale, minimum, error);
        } else {
            squaredLoss(x, weights, codes, end, scale, minimum, error);
        }
    }

    private static void squaredLoss(
            float[] x, float[] weights, float[] codes, int end, float[] scale, float[] minimum, float[] error) {
        FloatVector factor = FloatVector.fromArray(FLOATS, scale, 0);
        FloatVector offset = FloatVector.fromArray(FLOATS, minimum, 0);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector difference = FloatVector.fromArray(FLOATS, codes, i)
                    .mul(factor)
                    .add(offset)
                    .sub(FloatVector.fromArray(FLOATS, x, i));
            sum = difference
                    .mul(difference)
                    .mul(FloatVector.fromArray(FLOATS, weights, i))
                    .add(sum);
        }
        sum.intoArray(error, 0);
    }

    private static void absoluteLoss(
            float[] x, float[] weights, float[] codes, int end, float[] scale, float[] minimum, float[] error) {
        FloatVector factor = FloatVector.fromArray(FLOATS, scale, 0);
        FloatVector offset = FloatVector.fromArray(FLOATS, minimum, 0);
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector difference = FloatVector.fromArray(FLOATS, codes, i)
                    .mul(factor)
                    .add(offset)
                    .sub(FloatVector.fromArray(FLOATS, x, i));
            sum = difference
                    .abs()
                    .mul(FloatVector.fromArray(FLOATS, weights, i))
                    .add(sum);
        }
        sum.intoArray(error, 0);
    }

    /** Scale and minimum of least squares for the codes of this step; where there are none, a scale of NaN. */
    private void solve() {
        FloatVector w = FloatVector.fromArray(FLOATS, weightSum, 0);
        FloatVector wx = FloatVector.fromArray(FLOATS, valueSum, 0);
        FloatVector wl = FloatVector.fromArray(FLOATS, codeSum, 0);
        FloatVector wl2 = FloatVector.fromArray(FLOATS, squareSum, 0);
        FloatVector wxl = FloatVector.fromArray(FLOATS, productSum, 0);
        FloatVector determinant = w.mul(wl2).sub(wl.mul(wl));
        FloatVector slope = w.mul(wxl).sub(wx.mul(wl)).div(determinant);
        FloatVector offset = wl2.mul(wx).sub(wl.mul(wxl)).div(determinant);
        VectorMask<Float> above = offset.compare(VectorOperators.GT, 0);
        slope = slope.blend(wxl.div(wl2), above);
        // A comparison with an error of NaN is false, so such a step is not taken.
        slope = slope.blend(
                Float.NaN, determinant.compare(VectorOperators.GT, 0).not());
        slope.intoArray(trialScale, 0);
        offset.blend(0, above).intoArray(trialMinimum, 0);
    }

    private void keepBetter() {
        FloatVector trial = FloatVector.fromArray(FLOATS, error, 0);
        FloatVector best = FloatVector.fromArray(FLOATS, bestError, 0);
        VectorMask<Float> better = trial.compare(VectorOperators.LT, best);
        best.blend(trial, better).intoArray(bestError, 0);
        FloatVector base = FloatVector.fromArray(FLOATS, minimum, 0);
        FloatVector.fromArray(FLOATS, bestBase, 0).blend(base, better).intoArray(bestBase, 0);
        base.blend(FloatVector.fromArray(FLOATS, trialMinimum, 0), better).intoArray(minimum, 0);
        FloatVector.fromArray(FLOATS, scale, 0)
                .blend(FloatVector.fromArray(FLOATS, trialScale, 0), better)
                .intoArray(scale, 0);
        FloatVector.fromArray(FLOATS, bestInverse, 0)
                .blend(FloatVector.fromArray(FLOATS, inverse, 0), better)
                .intoArray(bestInverse, 0);
    }
}
