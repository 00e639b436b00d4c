package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.EvenLevels.MAGIC_BITS;
import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.GroupLanes.FLOATS;
import static dev.quern.quantization.scalar.Rounding.MAGIC;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * What a search for scales asks of eight groups, one a lane: how well the levels that trial scales choose go with the
 * values. Each lane adds up its group in order, so results are those of a plain loop over one group.
 */
final class EvenSums {
    private EvenSums() {}

    /** The largest magnitude of each lane. */
    static void magnitudes(float[] x, int at, int end, float[] out, int to) {
        FloatVector largest = FloatVector.zero(FLOATS);
        for (int i = at; i < end; i += COUNT) {
            largest = FloatVector.fromArray(FLOATS, x, i).abs().max(largest);
        }
        largest.intoArray(out, to);
    }

    /**
     * Levels {@code round(x · inverse)} within {@code low .. high} for two inverses of each lane.
     *
     * @param inverses eight, and eight others
     * @param sums receives eight {@code Σ w l x} and eight {@code Σ w l²}, and those for the others
     */
    static void two(float[] x, float[] w, int at, int end, float[] inverses, int low, int high, float[] sums) {
        FloatVector first = FloatVector.fromArray(FLOATS, inverses, 0);
        FloatVector other = FloatVector.fromArray(FLOATS, inverses, COUNT);
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        FloatVector otherProducts = FloatVector.zero(FLOATS);
        FloatVector otherSquares = FloatVector.zero(FLOATS);
        for (int i = at; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector level = value.mul(first)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector weighed = level.mul(weight);
            products = weighed.fma(value, products);
            squares = weighed.fma(level, squares);
            FloatVector otherLevel = value.mul(other)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector otherWeighed = otherLevel.mul(weight);
            otherProducts = otherWeighed.fma(value, otherProducts);
            otherSquares = otherWeighed.fma(otherLevel, otherSquares);
        }
        products.intoArray(sums, 0);
        squares.intoArray(sums, COUNT);
        otherProducts.intoArray(sums, 2 * COUNT);
        otherSquares.intoArray(sums, 3 * COUNT);
    }

    /**
     * As {@link #two} for one inverse a lane, but of what the scaled levels leave of the values, {@code r = x - l /
     * inverse}: with many levels that is so little that the difference of large sums would not tell it.
     *
     * @param sums receives eight {@code Σ w l r}, eight {@code Σ w l²} and eight {@code Σ w r²}
     */
    static void rest(
            float[] x, float[] w, int at, int end, float[] inverses, int from, int low, int high, float[] sums) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, from);
        FloatVector scale =
                FloatVector.broadcast(FLOATS, -1).div(inverse).blend(0, inverse.compare(VectorOperators.EQ, 0));
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        FloatVector errors = FloatVector.zero(FLOATS);
        for (int i = at; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector level = value.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector left = level.fma(scale, value);
            FloatVector weighed = level.mul(weight);
            products = weighed.fma(left, products);
            squares = weighed.fma(level, squares);
            errors = left.mul(weight).fma(left, errors);
        }
        products.intoArray(sums, 0);
        squares.intoArray(sums, COUNT);
        errors.intoArray(sums, 2 * COUNT);
    }

    /** As {@link #keepBetter} for the sums of {@link #rest}; what is gained is the error, negative. */
    static void keepBetterRest(
            float[] sums, float[] inverses, int from, float[] scales, float[] gains, float[] squares, int at) {
        FloatVector products = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector square = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector change = products.div(square);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1)
                .div(FloatVector.fromArray(FLOATS, inverses, from))
                .add(change);
        FloatVector gain = change.mul(products).sub(FloatVector.fromArray(FLOATS, sums, 2 * COUNT));
        FloatVector best = FloatVector.fromArray(FLOATS, gains, at);
        VectorMask<Float> better = gain.compare(VectorOperators.GT, best);
        best.blend(gain, better).intoArray(gains, at);
        FloatVector.fromArray(FLOATS, scales, at).blend(scale, better).intoArray(scales, at);
        FloatVector.fromArray(FLOATS, squares, at).blend(square, better).intoArray(squares, at);
    }

    /**
     * What rounding scales to multiples of {@code d} costs: squares of the distances, times {@code squares}.
     *
     * @param wanted a scale for each group, eight or sixteen
     * @param out receives the groups' costs, that of group i + 8 added to that of group i
     */
    static void costs(float[] wanted, float[] squares, float d, int low, int high, float[] out) {
        FloatVector sum = FloatVector.zero(FLOATS);
        float inverse = 1 / d;
        for (int i = 0; i < wanted.length; i += COUNT) {
            FloatVector scale = FloatVector.fromArray(FLOATS, wanted, i);
            FloatVector away = scale.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(d)
                    .sub(scale);
            sum = away.mul(FloatVector.fromArray(FLOATS, squares, i)).fma(away, sum);
        }
        sum.intoArray(out, 0);
    }

    /** Keeps a trial's least-squares scale where the weighted error falls by more with it than with the best so far. */
    static void keepBetter(float[] sums, int from, float[] scales, float[] gains, float[] squares, int at) {
        FloatVector products = FloatVector.fromArray(FLOATS, sums, from);
        FloatVector square = FloatVector.fromArray(FLOATS, sums, from + COUNT);
        FloatVector scale = products.div(square);
        FloatVector gain = scale.mul(products);
        FloatVector best = FloatVector.fromArray(FLOATS, gains, at);
        // Without any level but zero the quotient is NaN, and not better.
        VectorMask<Float> better = gain.compare(VectorOperators.GT, best);
        best.blend(gain, better).intoArray(gains, at);
        FloatVector.fromArray(FLOATS, scales, at).blend(scale, better).intoArray(scales, at);
        FloatVector.fromArray(FLOATS, squares, at).blend(square, better).intoArray(squares, at);
    }
}
