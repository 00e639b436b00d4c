package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.FLOATS;
import static dev.quern.quantization.simd.Lanes.INTS;

import dev.quern.quantization.scalar.Rounding;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** The kernels that try eight scales at a time, a lane each. */
final class TriedScales {
    private static final FloatVector ODD = FloatVector.fromArray(FLOATS, new float[] {1, 3, 5, 7, 9, 11, 13, 15}, 0);
    private static final FloatVector ODD_TWICE = FloatVector.fromArray(FLOATS, new float[] {1, 3, 5, 7, 1, 3, 5, 7}, 0);

    private TriedScales() {}

    /** Ratios of a largest value to the levels it is mapped to, and their inverses. */
    static void scales(float[] levels, float largest, int count, float[] inverses, float[] scales) {
        for (int i = 0; i < count; i += 8) {
            FloatVector inverse = FloatVector.fromArray(FLOATS, levels, i).div(largest);
            inverse.intoArray(inverses, i);
            FloatVector.broadcast(FLOATS, 1f).div(inverse).intoArray(scales, i);
        }
    }

    /** The codes of a group of {@code dimension} values, each rounded for itself, at eight scales. */
    static void codes(
            float[] x, int from, int dimension, int bits, int top, float[] inverses, int at, int[] codes, int to) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, at);
        IntVector code = IntVector.zero(INTS);
        for (int i = 0; i < dimension; i++) {
            IntVector level = inverse.mul(x[from + i])
                    .sub(1f)
                    .mul(0.5f)
                    .add(Rounding.MAGIC)
                    .reinterpretAsInts()
                    .and(Rounding.MANTISSA)
                    .sub(Rounding.MAGIC_MANTISSA)
                    .min(top)
                    .max(0);
            code = level.lanewise(VectorOperators.LSHL, bits * i).or(code);
        }
        code.intoArray(codes, to);
    }

    /** Adds the eight values of two groups of four, or of a group of eight, to the sums at eight scales. */
    static void sumEight(
            int[] codes, int at, float[] weight, float[] weighted, int from, float[] sumXq, float[] sumQq, int to) {
        IntVector code = IntVector.fromArray(INTS, codes, at);
        FloatVector xq = FloatVector.fromArray(FLOATS, sumXq, to);
        FloatVector qq = FloatVector.fromArray(FLOATS, sumQq, to);
        for (int i = 0; i < 8; i++) {
            FloatVector q = code.lanewise(VectorOperators.LSHR, 2 * i)
                    .selectFrom(ODD_TWICE.reinterpretAsInts())
                    .reinterpretAsFloats();
            xq = q.mul(weighted[from + i]).add(xq);
            qq = q.mul(weight[from + i]).mul(q).add(qq);
        }
        xq.intoArray(sumXq, to);
        qq.intoArray(sumQq, to);
    }

    static void sumFour(
            int[] codes, int at, float[] weight, float[] weighted, int from, float[] sumXq, float[] sumQq, int to) {
        IntVector code = IntVector.fromArray(INTS, codes, at);
        FloatVector xq = FloatVector.fromArray(FLOATS, sumXq, to);
        FloatVector qq = FloatVector.fromArray(FLOATS, sumQq, to);
        for (int i = 0; i < 4; i++) {
            FloatVector q = code.lanewise(VectorOperators.LSHR, 3 * i)
                    .selectFrom(ODD.reinterpretAsInts())
                    .reinterpretAsFloats();
            xq = q.mul(weighted[from + i]).add(xq);
            qq = q.mul(weight[from + i]).mul(q).add(qq);
        }
        xq.intoArray(sumXq, to);
        qq.intoArray(sumQq, to);
    }

    /** Weighted squared errors of values rounded to whole levels of at most {@code top}, at eight scales. */
    static void errors(float[] x, float[] weight, int count, int top, float[] inverses, float[] errors) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, 0);
        FloatVector scale = FloatVector.broadcast(FLOATS, 1f).div(inverse);
        FloatVector error = FloatVector.zero(FLOATS);
        for (int i = 0; i < count; i++) {
            FloatVector level = (FloatVector) inverse.mul(x[i])
                    .add(Rounding.MAGIC)
                    .reinterpretAsInts()
                    .and(Rounding.MANTISSA)
                    .sub(Rounding.MAGIC_MANTISSA)
                    .min(top)
                    .convert(VectorOperators.I2F, 0);
            FloatVector difference = FloatVector.broadcast(FLOATS, x[i]).sub(scale.mul(level));
            error = difference.mul(weight[i]).mul(difference).add(error);
        }
        error.intoArray(errors, 0);
    }
}
