package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.EvenLevels.MAGIC_BITS;
import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.GroupLanes.FLOATS;
import static dev.quern.quantization.scalar.Rounding.MAGIC;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * As {@link EvenSums}, where levels are so many that the difference of large sums would not tell the error: it is
 * measured by what rounding leaves, {@code r = x · inverse - l}. The sum {@code Σ w l²} is not added up but follows from
 * {@code l = x · inverse - r}.
 */
final class FineSums {
    /** The least part of {@code Σ w (x · inverse)²} that the levels' squares count for, see {@link #keepBetter}. */
    private static final float PART = 1f / 1024;

    /** A float times this, less what that is too much, has the 11 bits that F16 has. */
    private static final float TO_F16 = (1 << 13) + 1;

    private FineSums() {}

    /** Eight {@code Σ w x²}. */
    static void energies(float[] x, float[] w, int at, int end, float[] out, int to) {
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            sum = value.mul(FloatVector.fromArray(FLOATS, w, i)).fma(value, sum);
        }
        sum.intoArray(out, to);
    }

    /**
     * Levels {@code round(x · inverse)} for two inverses of each lane, which give no value a level that there is not.
     *
     * @param inverses eight, and eight others
     * @param sums receives eight {@code Σ w l r} and eight {@code Σ w r²}, and those for the others
     */
    static void unclipped(float[] x, float[] w, int at, int end, float[] inverses, float[] sums) {
        FloatVector first = FloatVector.fromArray(FLOATS, inverses, 0);
        FloatVector other = FloatVector.fromArray(FLOATS, inverses, COUNT);
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector errors = FloatVector.zero(FLOATS);
        FloatVector otherProducts = FloatVector.zero(FLOATS);
        FloatVector otherErrors = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector scaled = value.mul(first);
            FloatVector level = scaled.add(MAGIC).sub(MAGIC);
            FloatVector left = scaled.sub(level);
            FloatVector weighed = left.mul(weight);
            products = weighed.fma(level, products);
            errors = weighed.fma(left, errors);
            FloatVector otherScaled = value.mul(other);
            FloatVector otherLevel = otherScaled.add(MAGIC).sub(MAGIC);
            FloatVector otherLeft = otherScaled.sub(otherLevel);
            FloatVector otherWeighed = otherLeft.mul(weight);
            otherProducts = otherWeighed.fma(otherLevel, otherProducts);
            otherErrors = otherWeighed.fma(otherLeft, otherErrors);
        }
        products.intoArray(sums, 0);
        errors.intoArray(sums, COUNT);
        otherProducts.intoArray(sums, 2 * COUNT);
        otherErrors.intoArray(sums, 3 * COUNT);
    }

    /** As {@link #unclipped} for any inverses: levels are within {@code -high .. high}. */
    static void clipped(float[] x, float[] w, int at, int end, float[] inverses, int high, float[] sums) {
        FloatVector first = FloatVector.fromArray(FLOATS, inverses, 0);
        FloatVector other = FloatVector.fromArray(FLOATS, inverses, COUNT);
        FloatVector products = FloatVector.zero(FLOATS);
        FloatVector errors = FloatVector.zero(FLOATS);
        FloatVector otherProducts = FloatVector.zero(FLOATS);
        FloatVector otherErrors = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector scaled = value.mul(first);
            FloatVector level = scaled.add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - high)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector left = scaled.sub(level);
            FloatVector weighed = left.mul(weight);
            products = weighed.fma(level, products);
            errors = weighed.fma(left, errors);
            FloatVector otherScaled = value.mul(other);
            FloatVector otherLevel = otherScaled
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - high)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector otherLeft = otherScaled.sub(otherLevel);
            FloatVector otherWeighed = otherLeft.mul(weight);
            otherProducts = otherWeighed.fma(otherLevel, otherProducts);
            otherErrors = otherWeighed.fma(otherLeft, otherErrors);
        }
        products.intoArray(sums, 0);
        errors.intoArray(sums, COUNT);
        otherProducts.intoArray(sums, 2 * COUNT);
        otherErrors.intoArray(sums, 3 * COUNT);
    }

    /** Inverses of scales for which the largest value gets so many levels: eight, and eight with other ones. */
    static void inversesFor(float levels, float otherLevels, float[] units, int from, float[] inverses) {
        FloatVector unit = FloatVector.fromArray(FLOATS, units, from);
        unit.mul(levels).intoArray(inverses, 0);
        unit.mul(otherLevels).intoArray(inverses, COUNT);
    }

    /**
     * Keeps a trial's least-squares scale where its error, once F16 has rounded it, is no more than that of the best so
     * far.
     *
     * <p>Where nearly all that the values are is rounded to level 0, the levels' squares would be what float's rounding
     * left of a difference. They are then taken for more than they are: the scale moves less than it could, and its error
     * is less than is assumed.
     *
     * @param sums and {@code inverses}: of the trial, from {@code 2 · from} and {@code from} on
     * @param energies of the lanes, from {@code at} on as the best scales and their errors, negative
     */
    static void keepBetter(
            float[] sums, float[] inverses, int from, float[] energies, float[] scales, float[] gains, int at) {
        FloatVector products = FloatVector.fromArray(FLOATS, sums, 2 * from);
        FloatVector error = FloatVector.fromArray(FLOATS, sums, 2 * from + COUNT);
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, from);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1).div(inverse);
        FloatVector energy =
                FloatVector.fromArray(FLOATS, energies, at).mul(inverse).mul(inverse);
        FloatVector squares = energy.sub(products).sub(products).sub(error).max(energy.mul(PART));
        FloatVector change = products.div(squares);
        FloatVector fitted = change.fma(scale, scale);
        FloatVector large = fitted.mul(TO_F16);
        FloatVector away = large.sub(large.sub(fitted)).sub(fitted).mul(inverse);
        FloatVector gain = change.mul(products)
                .sub(error)
                .sub(away.mul(away).mul(squares))
                .mul(scale)
                .mul(scale);
        FloatVector best = FloatVector.fromArray(FLOATS, gains, at);
        // Of zeros the quotient is NaN, and not better.
        VectorMask<Float> better = gain.compare(VectorOperators.GE, best);
        best.blend(gain, better).intoArray(gains, at);
        FloatVector.fromArray(FLOATS, scales, at).blend(fitted, better).intoArray(scales, at);
    }

    /**
     * Errors as {@link EvenLevels#error} has them, of three scales for each lane and no minimum.
     *
     * @param scales the first ones from {@code from} on
     * @param stride from a scale to the next, and from an error to the next
     */
    static void errorsOfThree(
            float[] x, float[] w, int at, int end, float[] scales, int from, int stride, int high, float[] errors) {
        FloatVector one = FloatVector.broadcast(FLOATS, 1);
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, from);
        FloatVector secondScale = FloatVector.fromArray(FLOATS, scales, from + stride);
        FloatVector thirdScale = FloatVector.fromArray(FLOATS, scales, from + 2 * stride);
        FloatVector inverse = one.div(scale).blend(0, scale.compare(VectorOperators.EQ, 0));
        FloatVector secondInverse = one.div(secondScale).blend(0, secondScale.compare(VectorOperators.EQ, 0));
        FloatVector thirdInverse = one.div(thirdScale).blend(0, thirdScale.compare(VectorOperators.EQ, 0));
        FloatVector error = FloatVector.zero(FLOATS);
        FloatVector secondError = FloatVector.zero(FLOATS);
        FloatVector thirdError = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector weight = FloatVector.fromArray(FLOATS, w, i);
            FloatVector difference = value.sub(value.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - high)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(scale));
            error = difference.mul(weight).fma(difference, error);
            FloatVector second = value.sub(value.mul(secondInverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - high)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(secondScale));
            secondError = second.mul(weight).fma(second, secondError);
            FloatVector third = value.sub(value.mul(thirdInverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - high)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC)
                    .mul(thirdScale));
            thirdError = third.mul(weight).fma(third, thirdError);
        }
        error.intoArray(errors, from);
        secondError.intoArray(errors, from + stride);
        thirdError.intoArray(errors, from + 2 * stride);
    }
}
