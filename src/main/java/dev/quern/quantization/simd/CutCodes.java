package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.BYTES;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import dev.quern.quantization.BlockBytes;
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
    static void putNibbles(float[] x, int from, float min, float inverse, float half, int max, byte[] out, int to) {
        IntVector low = ((IntVector) FloatVector.fromArray(FLOATS, x, from)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(max);
        IntVector high = ((IntVector) FloatVector.fromArray(FLOATS, x, from + 16)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .convert(VectorOperators.F2I, 0))
                .min(max);
        IntVector pairs = low.and(15).or(high.lanewise(VectorOperators.LSHL, 4));
        ((ByteVector) pairs.convertShape(VectorOperators.I2B, BYTES, 0)).intoArray(out, to);
    }

    /** The fifth bits of the codes of 32 values: those above 15, which are those of at least 16 before the cut. */
    static void putFifthBits(float[] x, int from, float min, float inverse, float half, byte[] out, int to) {
        long bits = FloatVector.fromArray(FLOATS, x, from)
                .sub(min)
                .mul(inverse)
                .add(half)
                .compare(VectorOperators.GE, 16f)
                .toLong();
        bits |= FloatVector.fromArray(FLOATS, x, from + 8)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .compare(VectorOperators.GE, 16f)
                        .toLong()
                << 8;
        bits |= FloatVector.fromArray(FLOATS, x, from + 16)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .compare(VectorOperators.GE, 16f)
                        .toLong()
                << 16;
        bits |= FloatVector.fromArray(FLOATS, x, from + 24)
                        .sub(min)
                        .mul(inverse)
                        .add(half)
                        .compare(VectorOperators.GE, 16f)
                        .toLong()
                << 24;
        BlockBytes.putInt(out, to, (int) bits);
    }
}
