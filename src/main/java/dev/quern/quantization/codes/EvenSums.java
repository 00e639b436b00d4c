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
    /** The largest value times one over it, but for rounding. */
    private static final float LARGEST = 0.999999f;

    /** What float's rounding of a bound is nothing beside. */
    private static final float MARGIN = 1.001f;

    private EvenSums() {}

    /** The largest magnitude of each lane. */
    static void magnitudes(float[] x, int at, int end, float[] out, int to) {
        FloatVector largest = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            largest = FloatVector.fromArray(FLOATS, x, i).abs().max(largest);
        }
        largest.intoArray(out, to);
    }

    /**
     * What {@link #isHopeless} asks of each lane.
     *
     * @param units 1 over the largest magnitude, or 0, from index {@code from} on
     * @param part values below this part of the largest are the others
     * @param out receives eight times 1 over the largest value and the root of its weight, eight times half of the largest
     *     value and the root of the others' {@code Σ w}, and eight roots of their {@code Σ w x²}
     */
    static void largest(float[] x, float[] w, int at, int end, float[] units, int from, float part, float[] out) {
        FloatVector unit = FloatVector.fromArray(FLOATS, units, from);
        FloatVector heaviest = FloatVector.zero(FLOATS);
        FloatVector weights = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector share = value.mul(unit).abs();
            FloatVector other = weight.blend(0, share.compare(VectorOperators.GE, part));
            weights = other.add(weights);
            squares = other.mul(value).fma(value, squares);
            heaviest =
                    weight.blend(0, share.compare(VectorOperators.LT, LARGEST)).max(heaviest);
        }
        unit.div(heaviest.sqrt()).intoArray(out, 0);
        weights.sqrt().mul(0.5f).div(unit).intoArray(out, COUNT);
        squares.sqrt().intoArray(out, 2 * COUNT);
    }

    /**
     * Whether in no lane a rounding to {@code levels} levels for the largest value can give less error than the best so
     * far, whatever scale is fitted to it, nor one to more levels. Say the fitted scale is {@code 1 + c} times the
     * trial's. The largest value, of level {@code extreme}, then errs by {@code 1 - (1 + c) extreme / levels} of it; that
     * alone is as much as the best error up to some {@code c}, and from there on the others are off by {@code c} times
     * what they are, less twice what rounding leaves at most: in the norm of the weights, {@code c (|x| - e) - e} with
     * {@code e} = half a step times the root of the sum of weights.
     *
     * @param largest from {@link #largest}
     * @param gains the best errors, negative
     */
    static boolean isHopeless(float[] largest, float[] units, float[] gains, int at, float levels, float extreme) {
        FloatVector unit = FloatVector.fromArray(FLOATS, units, at);
        FloatVector error = FloatVector.fromArray(FLOATS, gains, at).neg();
        FloatVector share = error.sqrt().mul(FloatVector.fromArray(FLOATS, largest, 0));
        FloatVector change = FloatVector.broadcast(FLOATS, 1)
                .sub(share)
                .mul(levels / extreme)
                .sub(1);
        FloatVector rounding = FloatVector.fromArray(FLOATS, largest, COUNT).mul(1 / levels);
        FloatVector away = FloatVector.fromArray(FLOATS, largest, 2 * COUNT)
                .sub(rounding)
                .mul(change)
                .sub(rounding);
        VectorMask<Float> hopeless = away.compare(VectorOperators.GT, 0)
                .and(change.compare(VectorOperators.GT, 0))
                .and(away.mul(away).compare(VectorOperators.GT, error.mul(MARGIN)));
        return hopeless.or(unit.compare(VectorOperators.EQ, 0)).allTrue();
    }

    /** Inverses of scales for which the largest value gets so many levels: eight, and eight of the other sign. */
    static void inversesFor(float levels, float[] units, int from, float[] inverses) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, units, from).mul(levels);
        inverse.intoArray(inverses, 0);
        inverse.neg().intoArray(inverses, COUNT);
    }

    /**
     * Inverses of the scales of eight groups, from {@code from} on, 0 of 0; so many levels more for the largest value,
     * and eight with as many less.
     */
    static void inversesBeside(float[] scales, float[] units, int from, float levels, float[] inverses) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, from);
        FloatVector inverse =
                FloatVector.broadcast(FLOATS, 1).div(scale).blend(0, scale.compare(VectorOperators.EQ, 0));
        FloatVector aside = FloatVector.fromArray(FLOATS, units, from).mul(levels);
        inverse.add(aside).intoArray(inverses, 0);
        inverse.sub(aside).intoArray(inverses, COUNT);
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
        for (int i = at; i != end; i += COUNT) {
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
     * @param sums receives eight {@code Σ w l r}, eight {@code Σ w l²}, eight {@code Σ w r²} and eight scales
     */
    static void rest(
            float[] x, float[] w, int at, int end, float[] inverses, int from, int low, int high, float[] sums) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, from);
        FloatVector scale =
                FloatVector.broadcast(FLOATS, -1).div(inverse).blend(0, inverse.compare(VectorOperators.EQ, 0));
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        FloatVector errors = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
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
        scale.neg().intoArray(sums, 3 * COUNT);
    }

    /**
     * As {@link #keepBetter} for the sums of {@link #rest}; what is gained is the error, negative.
     *
     * @param equal whether a trial that is as good as the best so far is kept instead of it
     */
    static void keepBetterRest(float[] sums, boolean equal, float[] scales, float[] gains, float[] squares, int at) {
        FloatVector products = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector square = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector change = products.div(square);
        FloatVector scale = FloatVector.fromArray(FLOATS, sums, 3 * COUNT).add(change);
        FloatVector gain = change.mul(products).sub(FloatVector.fromArray(FLOATS, sums, 2 * COUNT));
        FloatVector best = FloatVector.fromArray(FLOATS, gains, at);
        VectorMask<Float> better =
                equal ? gain.compare(VectorOperators.GE, best) : gain.compare(VectorOperators.GT, best);
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
