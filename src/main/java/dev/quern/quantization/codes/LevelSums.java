package dev.quern.quantization.codes;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * What a search asks of one group again and again: how well the levels that a trial scale chooses go with the values.
 * Groups are 16 or 32 values; sums run over eight lanes, which are added up in one order whatever compiled the code.
 */
final class LevelSums {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    /** Adding it leaves a float of magnitude below 2^22 rounded to nearest even. */
    private static final float MAGIC = 12582912f;

    /** Borders between the uneven levels, and the steps by which the level rises there. */
    private static final float[] BORDERS = new float[15];

    private static final float[] STEPS = new float[15];

    static {
        for (int i = 0; i < 15; i++) {
            float low = CodeForm.IQ4_NL.level(i);
            float high = CodeForm.IQ4_NL.level(i + 1);
            BORDERS[i] = (low + high) / 2;
            STEPS[i] = high - low;
        }
    }

    private LevelSums() {}

    /**
     * Levels {@code round(x · inverse)} within {@code low .. high}: the weighted products with the values and the
     * weighted squares.
     *
     * @param out receives {@code Σ w l x} and {@code Σ w l²}
     */
    static void even(
            float[] x, int at, float[] w, int wAt, int count, float inverse, float low, float high, float[] out) {
        FloatVector products = FloatVector.zero(LANES);
        FloatVector squares = FloatVector.zero(LANES);
        for (int i = 0; i < count; i += 8) {
            FloatVector value = FloatVector.fromArray(LANES, x, at + i);
            FloatVector level = value.mul(inverse).max(low).min(high).add(MAGIC).sub(MAGIC);
            FloatVector weighed = level.mul(FloatVector.fromArray(LANES, w, wAt + i));
            products = weighed.fma(value, products);
            squares = weighed.fma(level, squares);
        }
        out[0] = ((products.lane(0) + products.lane(4)) + (products.lane(1) + products.lane(5)))
                + ((products.lane(2) + products.lane(6)) + (products.lane(3) + products.lane(7)));
        out[1] = ((squares.lane(0) + squares.lane(4)) + (squares.lane(1) + squares.lane(5)))
                + ((squares.lane(2) + squares.lane(6)) + (squares.lane(3) + squares.lane(7)));
    }

    /** The same with the nearest of 16 uneven levels. */
    static void uneven(float[] x, int at, float[] w, int wAt, int count, float inverse, float[] out) {
        FloatVector products = FloatVector.zero(LANES);
        FloatVector squares = FloatVector.zero(LANES);
        float first = CodeForm.IQ4_NL.level(0);
        for (int i = 0; i < count; i += 8) {
            FloatVector value = FloatVector.fromArray(LANES, x, at + i);
            FloatVector scaled = value.mul(inverse);
            FloatVector level = FloatVector.broadcast(LANES, first);
            for (int k = 0; k < 15; k++) {
                level = level.add(STEPS[k], scaled.compare(jdk.incubator.vector.VectorOperators.GE, BORDERS[k]));
            }
            FloatVector weighed = level.mul(FloatVector.fromArray(LANES, w, wAt + i));
            products = weighed.fma(value, products);
            squares = weighed.fma(level, squares);
        }
        out[0] = ((products.lane(0) + products.lane(4)) + (products.lane(1) + products.lane(5)))
                + ((products.lane(2) + products.lane(6)) + (products.lane(3) + products.lane(7)));
        out[1] = ((squares.lane(0) + squares.lane(4)) + (squares.lane(1) + squares.lane(5)))
                + ((squares.lane(2) + squares.lane(6)) + (squares.lane(3) + squares.lane(7)));
    }

    /**
     * Levels {@code round((x + offset) · inverse)} within {@code 0 .. high}.
     *
     * @param out receives {@code Σ w l}, {@code Σ w l²} and {@code Σ w l x}
     */
    static void offset(
            float[] x, int at, float[] w, int wAt, int count, float inverse, float offset, float high, float[] out) {
        FloatVector sums = FloatVector.zero(LANES);
        FloatVector squares = FloatVector.zero(LANES);
        FloatVector products = FloatVector.zero(LANES);
        for (int i = 0; i < count; i += 8) {
            FloatVector value = FloatVector.fromArray(LANES, x, at + i);
            FloatVector level =
                    value.add(offset).mul(inverse).max(0).min(high).add(MAGIC).sub(MAGIC);
            FloatVector weighed = level.mul(FloatVector.fromArray(LANES, w, wAt + i));
            sums = sums.add(weighed);
            squares = weighed.fma(level, squares);
            products = weighed.fma(value, products);
        }
        out[0] = ((sums.lane(0) + sums.lane(4)) + (sums.lane(1) + sums.lane(5)))
                + ((sums.lane(2) + sums.lane(6)) + (sums.lane(3) + sums.lane(7)));
        out[1] = ((squares.lane(0) + squares.lane(4)) + (squares.lane(1) + squares.lane(5)))
                + ((squares.lane(2) + squares.lane(6)) + (squares.lane(3) + squares.lane(7)));
        out[2] = ((products.lane(0) + products.lane(4)) + (products.lane(1) + products.lane(5)))
                + ((products.lane(2) + products.lane(6)) + (products.lane(3) + products.lane(7)));
    }

    /** {@code Σ w (x - (scale · l - minimum))²} with the levels nearest to {@code (x + minimum) / scale}. */
    static float offsetError(float[] x, int at, float[] w, int wAt, int count, float scale, float minimum, float high) {
        float inverse = scale == 0 ? 0 : 1 / scale;
        FloatVector sum = FloatVector.zero(LANES);
        for (int i = 0; i < count; i += 8) {
            FloatVector value = FloatVector.fromArray(LANES, x, at + i).add(minimum);
            FloatVector level = value.mul(inverse).max(0).min(high).add(MAGIC).sub(MAGIC);
            FloatVector error = value.sub(level.mul(scale));
            sum = error.mul(error).fma(FloatVector.fromArray(LANES, w, wAt + i), sum);
        }
        return ((sum.lane(0) + sum.lane(4)) + (sum.lane(1) + sum.lane(5)))
                + ((sum.lane(2) + sum.lane(6)) + (sum.lane(3) + sum.lane(7)));
    }

    /** {@code Σ w a} and {@code Σ w a²} of the values themselves. */
    static void moments(float[] x, int at, float[] w, int wAt, int count, float[] out) {
        FloatVector weights = FloatVector.zero(LANES);
        FloatVector sums = FloatVector.zero(LANES);
        FloatVector squares = FloatVector.zero(LANES);
        for (int i = 0; i < count; i += 8) {
            FloatVector value = FloatVector.fromArray(LANES, x, at + i);
            FloatVector weight = FloatVector.fromArray(LANES, w, wAt + i);
            weights = weights.add(weight);
            FloatVector weighed = value.mul(weight);
            sums = sums.add(weighed);
            squares = weighed.fma(value, squares);
        }
        out[0] = ((weights.lane(0) + weights.lane(4)) + (weights.lane(1) + weights.lane(5)))
                + ((weights.lane(2) + weights.lane(6)) + (weights.lane(3) + weights.lane(7)));
        out[1] = ((sums.lane(0) + sums.lane(4)) + (sums.lane(1) + sums.lane(5)))
                + ((sums.lane(2) + sums.lane(6)) + (sums.lane(3) + sums.lane(7)));
        out[2] = ((squares.lane(0) + squares.lane(4)) + (squares.lane(1) + squares.lane(5)))
                + ((squares.lane(2) + squares.lane(6)) + (squares.lane(3) + squares.lane(7)));
    }
}
