package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.EvenLevels.MAGIC_BITS;
import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.GroupLanes.FLOATS;
import static dev.quern.quantization.scalar.Rounding.MAGIC;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** What a search for scales and minima asks of eight groups, one a lane; see {@link EvenSums}. */
final class OffsetSums {
    /** A determinant that is a smaller part of its first product is what rounding left of nothing. */
    private static final float SINGULAR = 1e-6f;

    private OffsetSums() {}

    /** The least and the largest value of each lane. */
    static void range(float[] x, int at, int end, float[] least, float[] most, int to) {
        FloatVector low = FloatVector.fromArray(FLOATS, x, at);
        FloatVector high = low;
        for (int i = at + COUNT; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            low = value.min(low);
            high = value.max(high);
        }
        low.intoArray(least, to);
        high.intoArray(most, to);
    }

    /** Eight {@code Σ w}, eight {@code Σ w x} and eight {@code Σ w x²}. */
    static void moments(float[] x, float[] w, int at, int end, float[] out) {
        FloatVector ofWeights = FloatVector.zero(FLOATS);
        FloatVector ofValues = FloatVector.zero(FLOATS);
        FloatVector ofSquares = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector weighed = value.mul(weight);
            ofWeights = weight.add(ofWeights);
            ofValues = weighed.add(ofValues);
            ofSquares = weighed.fma(value, ofSquares);
        }
        ofWeights.intoArray(out, 0);
        ofValues.intoArray(out, COUNT);
        ofSquares.intoArray(out, 2 * COUNT);
    }

    /**
     * The range of a set's values without its lower end.
     *
     * @param clipped how much of the range is left out, in levels
     * @param nothing a group of a smaller range has one value only, and gets inverses of 0
     * @param widths receives what is left of the ranges
     * @param offsets receives what is to be taken away from values, negative
     */
    static void clip(
            float[] least,
            float[] most,
            int from,
            float clipped,
            int high,
            float nothing,
            float[] widths,
            float[] offsets) {
        FloatVector low = FloatVector.fromArray(FLOATS, least, from);
        FloatVector top = FloatVector.fromArray(FLOATS, most, from);
        FloatVector range = top.sub(low);
        FloatVector start = range.mul(clipped).div(high).add(low);
        top.sub(start)
                .blend(Float.POSITIVE_INFINITY, range.compare(VectorOperators.LT, nothing))
                .intoArray(widths, 0);
        start.neg().intoArray(offsets, 0);
    }

    /** Inverses of scales for which the widths get so many levels. */
    static void inversesFor(float levels, float[] widths, float[] inverses) {
        FloatVector.broadcast(FLOATS, levels)
                .div(FloatVector.fromArray(FLOATS, widths, 0))
                .intoArray(inverses, 0);
    }

    /** Inverses of eight scales, each times {@code factor}; 0 of 0. */
    static void inverses(float[] scales, int from, float factor, float[] inverses) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, from).mul(factor);
        FloatVector.broadcast(FLOATS, 1)
                .div(scale)
                .blend(0, scale.compare(VectorOperators.EQ, 0))
                .intoArray(inverses, 0);
    }

    /**
     * Levels {@code round((x + offset) · inverse)} within {@code 0 .. high}.
     *
     * @param sums receives eight {@code Σ w l}, eight {@code Σ w l²} and eight {@code Σ w l x}
     */
    static void levels(
            float[] x, float[] w, int at, int end, float[] inverses, float[] offsets, int high, float[] sums) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, 0);
        // Rounding (x + offset) · inverse is rounding x · inverse + shift: one instruction less.
        FloatVector shift = FloatVector.fromArray(FLOATS, offsets, 0).mul(inverse);
        FloatVector levels = FloatVector.zero(FLOATS);
        FloatVector squares = FloatVector.zero(FLOATS);
        FloatVector products = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector level = value.fma(inverse, shift)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector weighed = level.mul(FloatVector.fromArray(FLOATS, w, i));
            levels = weighed.add(levels);
            squares = weighed.fma(level, squares);
            products = weighed.fma(value, products);
        }
        levels.intoArray(sums, 0);
        squares.intoArray(sums, COUNT);
        products.intoArray(sums, 2 * COUNT);
    }

    /**
     * Integers for scales or minima: the nearest, or so many beside it, within {@code 0 .. high}.
     *
     * @param wanted for each group, eight or sixteen
     * @param factor of all integers
     * @param integers and {@code out}, their products with the factor: from {@code to} on
     */
    static void beside(float[] wanted, float factor, int aside, int high, float[] integers, float[] out, int to) {
        for (int i = 0; i < wanted.length; i += COUNT) {
            FloatVector exact = FloatVector.fromArray(FLOATS, wanted, i).div(factor);
            // Of nothing, or of what F16 cannot hold, there is no quotient.
            FloatVector integer = exact.blend(
                            0, exact.test(VectorOperators.IS_FINITE).not())
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .add(aside)
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            integer.intoArray(integers, to + i);
            integer.mul(factor).intoArray(out, to + i);
        }
    }

    /**
     * Errors as {@link EvenLevels#error} has them, of one scale with each of three minima: taken together they wait less
     * for one another's sums.
     *
     * @param stride from a minimum to the next, and from an error to the next
     */
    static void errorsOfThree(
            float[] x,
            float[] w,
            int at,
            int end,
            float[] scales,
            int scalesFrom,
            float[] minima,
            int from,
            int stride,
            int high,
            float[] errors) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, scalesFrom);
        FloatVector minimum = FloatVector.fromArray(FLOATS, minima, from);
        FloatVector secondMinimum = FloatVector.fromArray(FLOATS, minima, from + stride);
        FloatVector thirdMinimum = FloatVector.fromArray(FLOATS, minima, from + 2 * stride);
        FloatVector inverse =
                FloatVector.broadcast(FLOATS, 1).div(scale).blend(0, scale.compare(VectorOperators.EQ, 0));
        FloatVector error = FloatVector.zero(FLOATS);
        FloatVector secondError = FloatVector.zero(FLOATS);
        FloatVector thirdError = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector stored = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector value = stored.add(minimum);
            FloatVector difference = value.sub(value.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(scale));
            error = difference.mul(weight).fma(difference, error);
            FloatVector second = stored.add(secondMinimum);
            FloatVector secondDifference = second.sub(second.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(scale));
            secondError = secondDifference.mul(weight).fma(secondDifference, secondError);
            FloatVector third = stored.add(thirdMinimum);
            FloatVector thirdDifference = third.sub(third.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(scale));
            thirdError = thirdDifference.mul(weight).fma(thirdDifference, thirdError);
        }
        error.intoArray(errors, from);
        secondError.intoArray(errors, from + stride);
        thirdError.intoArray(errors, from + 2 * stride);
    }

    /**
     * Where a trial's error is less than the best so far, the error and the trial take the best's place.
     *
     * @param errors from {@code from} on, one for each of {@code bestErrors}
     */
    static void keepLess(float[] errors, int from, float trial, float[] bestErrors, float[] bestTrials) {
        for (int i = 0; i < bestErrors.length; i += COUNT) {
            FloatVector error = FloatVector.fromArray(FLOATS, errors, from + i);
            FloatVector best = FloatVector.fromArray(FLOATS, bestErrors, i);
            VectorMask<Float> less = error.compare(VectorOperators.LT, best);
            best.blend(error, less).intoArray(bestErrors, i);
            FloatVector.fromArray(FLOATS, bestTrials, i).blend(trial, less).intoArray(bestTrials, i);
        }
    }

    /**
     * Scale and minimum of least squares for the levels of a trial, and their error; kept where better.
     *
     * @param moments of the lanes: {@code Σ w}, {@code Σ w x}, {@code Σ w x²}, eight each
     * @param offsets what the trial took away
     * @param belowZero whether the minimum (that is taken away) is not negative
     * @param kept scales, minima and errors, eight each
     */
    static void keepBetter(float[] sums, float[] moments, float[] offsets, boolean belowZero, float[] kept) {
        FloatVector w = FloatVector.fromArray(FLOATS, moments, 0);
        FloatVector wx = FloatVector.fromArray(FLOATS, moments, COUNT);
        FloatVector l = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector ll = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector lx = FloatVector.fromArray(FLOATS, sums, 2 * COUNT);
        FloatVector determinant = w.mul(ll).sub(l.mul(l));
        FloatVector scale = w.mul(lx).sub(l.mul(wx)).div(determinant);
        FloatVector minimum = scale.mul(l).sub(wx).div(w);
        // All on one level, or one value that outweighs the others: only one of the two can be asked for.
        VectorMask<Float> singular =
                determinant.compare(VectorOperators.LE, w.mul(ll).mul(SINGULAR));
        if (belowZero) {
            VectorMask<Float> alone = minimum.compare(VectorOperators.LT, 0).or(singular);
            scale = scale.blend(lx.div(ll), alone);
            minimum = minimum.blend(0, alone);
        } else {
            FloatVector offset = FloatVector.fromArray(FLOATS, offsets, 0);
            scale = scale.blend(l.fma(offset, lx).div(ll), singular);
            minimum = minimum.blend(offset, singular);
        }
        FloatVector error = scale.mul(ll)
                .sub(lx.add(lx))
                .mul(scale)
                .add(wx.sub(scale.mul(l))
                        .add(wx.sub(scale.mul(l)))
                        .add(minimum.mul(w))
                        .mul(minimum))
                .add(FloatVector.fromArray(FLOATS, moments, 2 * COUNT));
        FloatVector best = FloatVector.fromArray(FLOATS, kept, 2 * COUNT);
        VectorMask<Float> better = error.compare(VectorOperators.LT, best).and(scale.compare(VectorOperators.GT, 0));
        FloatVector.fromArray(FLOATS, kept, 0).blend(scale, better).intoArray(kept, 0);
        FloatVector.fromArray(FLOATS, kept, COUNT).blend(minimum, better).intoArray(kept, COUNT);
        best.blend(error, better).intoArray(kept, 2 * COUNT);
    }
}
