package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.BYTES;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.EightBitBlocks;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/** Q8_0. */
public final class SimdEightBitBlocks extends RowCodec {
    private static final int LENGTH = 32;
    private static final int BLOCK_BYTES = 34;

    public SimdEightBitBlocks() {
        super(QuantType.Q8_0);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        for (int block = 0; block < length / LENGTH; block++) {
            encodeBlock(row, from + block * LENGTH, out, to + block * BLOCK_BYTES);
        }
    }

    private static void encodeBlock(float[] x, int from, byte[] out, int to) {
        float scale = Extremes.magnitude(x, from) / 127;
        float inverse = scale != 0 ? 1 / scale : 0;
        if (inverse > Float.MAX_VALUE) {
            EightBitBlocks.quantize(x, from, out, to);
            return;
        }
        BlockBytes.putHalf(out, to, scale);
        for (int i = 0; i < LENGTH; i += Lanes.COUNT) {
            putRounded(x, from + i, inverse, out, to + 2 + i);
        }
    }

    /**
     * {@code roundf(x * inverse)}: half away from zero. What is added is the float below one half, so that the sum with
     * the float below n + 1/2 stays below n + 1 while with n + 1/2 itself it rounds up to that.
     */
    private static void putRounded(float[] x, int from, float inverse, byte[] out, int to) {
        FloatVector value = FloatVector.fromArray(FLOATS, x, from).mul(inverse);
        FloatVector signedHalf =
                value.reinterpretAsInts().and(0x80000000).or(0x3effffff).reinterpretAsFloats();
        IntVector codes = (IntVector) value.add(signedHalf).convert(VectorOperators.F2I, 0);
        ((ByteVector) codes.convertShape(VectorOperators.I2B, BYTES, 0)).intoArray(out, to);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        SimdDecoders.eightBit(blocks, at, count, out, to);
    }
}
