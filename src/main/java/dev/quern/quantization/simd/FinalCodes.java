package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import dev.quern.quantization.scalar.Rounding;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The codes of one group in a super-block, in the order of its values. */
final class FinalCodes {
    private FinalCodes() {}

    /** {@code (x + minimum) / scale}, to nearest, held between low and high, plus bias. */
    static void divide(
            float[] x, int from, int n, float minimum, float scale, int low, int high, int bias, byte[] codes, int to) {
        FloatVector divisor = FloatVector.broadcast(FLOATS, scale);
        for (int i = 0; i < n; i += COUNT) {
            ((ByteVector) FloatVector.fromArray(FLOATS, x, from + i)
                            .add(minimum)
                            .div(divisor)
                            .add(Rounding.MAGIC)
                            .reinterpretAsInts()
                            .and(Rounding.MANTISSA)
                            .sub(Rounding.MAGIC_MANTISSA)
                            .max(low)
                            .min(high)
                            .add(bias)
                            .convertShape(VectorOperators.I2B, Lanes.BYTES, 0))
                    .intoArray(codes, to + i);
        }
    }

    /** {@code inverse * (x - base)}, to nearest, held between low and high, plus bias: what a search ended with. */
    static void multiply(
            float[] x, int from, int n, float base, float inverse, int low, int high, int bias, byte[] codes, int to) {
        for (int i = 0; i < n; i += COUNT) {
            ((ByteVector) FloatVector.fromArray(FLOATS, x, from + i)
                            .sub(base)
                            .mul(inverse)
                            .add(Rounding.MAGIC)
                            .reinterpretAsInts()
                            .and(Rounding.MANTISSA)
                            .sub(Rounding.MAGIC_MANTISSA)
                            .max(low)
                            .min(high)
                            .add(bias)
                            .convertShape(VectorOperators.I2B, Lanes.BYTES, 0))
                    .intoArray(codes, to + i);
        }
    }

    /** The codes that an offset search ended with. */
    static void ofOffsetSearch(float[] x, int from, int n, float inverse, float base, int max, byte[] codes, int to) {
        multiply(x, from, n, base, inverse, 0, max, 0, codes, to);
    }

    /** The codes that a symmetric search ended with; without inverse scale zeros, as ggml leaves them. */
    static void ofSymmetricSearch(float[] x, int from, int n, float inverse, int max, byte[] codes, int to) {
        if (inverse == 0) {
            Arrays.fill(codes, to, to + n, (byte) 0);
        } else {
            multiply(x, from, n, 0, inverse, -max, max - 1, max, codes, to);
        }
    }
}
