package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.BYTES;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The codes of Q4_0, Q4_1, Q5_0 and Q5_1 without importance: {@code (x - min) * inverse + half}, cut to an integer. With
 * a min of 0 the subtraction changes nothing, so the symmetric types are the same sum with their middle as half.
 */
final class CutCodes {
    private CutCodes() {}

    /** Codes of eight values and of the eight that share bytes with them, as 8 bytes. */
    static void putFourBits(float[] x, int from, float min, float inverse, float half, byte[] out, int to) {
        IntVector low = ((IntVector) FloatVector.fromArray(FLOATS, x, from)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(15);
        IntVector high = ((IntVector) FloatVector.fromArray(FLOATS, x, from + 16)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(15);
        IntVector pairs = low.or(high.lanewise(VectorOperators.LSHL, 4));
        ((ByteVector) pairs.convertShape(VectorOperators.I2B, BYTES, 0)).intoArray(out, to);
    }

    /**
     * The same with five bits a code, of which the nibbles get four.
     *
     * @return the fifth bits: of the first eight values from bit 0 on, of the others from bit 16 on
     */
    static int putFiveBits(float[] x, int from, float min, float inverse, float half, byte[] out, int to) {
        IntVector low = ((IntVector) FloatVector.fromArray(FLOATS, x, from)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(31);
        IntVector high = ((IntVector) FloatVector.fromArray(FLOATS, x, from + 16)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(31);
        IntVector pairs = low.and(15).or(high.lanewise(VectorOperators.LSHL, 4));
        ((ByteVector) pairs.convertShape(VectorOperators.I2B, BYTES, 0)).intoArray(out, to);
        return (int) low.compare(VectorOperators.GT, 15).toLong()
                | (int) high.compare(VectorOperators.GT, 15).toLong() << 16;
    }
}
