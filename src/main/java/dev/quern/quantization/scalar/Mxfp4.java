package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * MXFP4: 32 values in 17 bytes: a power of two (E8M0), then a 4-bit float (E2M1) each, value i in the low and value
 * i + 16 in the high half of byte i.
 */
public final class Mxfp4 extends BlockwiseCodec {
    private static final int BLOCK = QuantType.MXFP4.blockLength();
    private static final int BYTES = QuantType.MXFP4.blockBytes();
    private static final double LN_2 = 0.6931471805599453;

    private final E2m1 floats;
    private final int[] codes = new int[BLOCK];

    public Mxfp4(E2m1 floats) {
        super(QuantType.MXFP4, Mxfp4::decodeBlocks);
        this.floats = floats;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float largest = floats.largest(row, from, BLOCK);
        int exponent = largest > 0 ? floorLog2(largest) - 2 + 127 & 0xff : 0;
        float half = halfPower(exponent);
        out[to] = (byte) exponent;
        floats.nearest(row, from, BLOCK, half, codes);
        for (int i = 0; i < BLOCK / 2; i++) {
            out[to + 1 + i] = (byte) (codes[i] | codes[BLOCK / 2 + i] << 4);
        }
    }

    /**
     * floorf(log2f(x)). A value just below a power of two has a logarithm that rounds up to the whole number: there the
     * floor is one more than the exponent.
     */
    static int floorLog2(float x) {
        float scaled = x < Float.MIN_NORMAL ? x * 0x1p24f : x;
        int exponent = Math.getExponent(scaled) - (x < Float.MIN_NORMAL ? 24 : 0);
        int mantissa = Float.floatToRawIntBits(scaled) & 0x7fffff;
        if (mantissa < 0x7fff00) {
            return exponent;
        }
        double missing = StrictMath.log((mantissa + 0x800000) * 0x1p-24) / LN_2;
        return (float) (exponent + 1 + missing) == exponent + 1 ? exponent + 1 : exponent;
    }

    /** Half of 2^(exponent - 127); the two smallest are subnormal. */
    static float halfPower(int exponent) {
        return Float.intBitsToFloat(exponent < 2 ? 0x00200000 << exponent : exponent - 1 << 23);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float half = halfPower(BlockBytes.unsigned(blocks, b));
            int o = to + block * BLOCK;
            for (int i = 0; i < BLOCK / 2; i++) {
                int packed = BlockBytes.unsigned(blocks, b + 1 + i);
                out[o + i] = E2m1.decode(packed & 15, half);
                out[o + BLOCK / 2 + i] = E2m1.decode(packed >> 4, half);
            }
        }
    }
}
