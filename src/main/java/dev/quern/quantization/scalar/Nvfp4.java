package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * NVFP4: 64 values in 36 bytes: an 8-bit float without sign (UE4M3) for each 16 values, then a 4-bit float (E2M1) each,
 * value i of a 16 in the low and value i + 8 in the high half of its byte i.
 */
public final class Nvfp4 extends BlockwiseCodec {
    private static final int BLOCK = QuantType.NVFP4.blockLength();
    private static final int BYTES = QuantType.NVFP4.blockBytes();
    private static final int SUB = 16;
    /** 448, the largest finite UE4M3; 0x7f is no number, and decodes to 0. */
    private static final int LARGEST_SCALE = 0x7e;

    private static final float[] HALF_SCALES = halfScales();

    private final E2m1 floats;
    private final int[] codes = new int[SUB];

    public Nvfp4(E2m1 floats) {
        super(QuantType.NVFP4, Nvfp4::decodeBlocks);
        this.floats = floats;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            encodeSub(row, from + sub * SUB, out, to, sub);
        }
    }

    private void encodeSub(float[] row, int from, byte[] out, int to, int sub) {
        int scale = toUe4m3(floats.largest(row, from, SUB) / 6);
        float half = HALF_SCALES[scale];
        out[to + sub] = (byte) scale;
        floats.nearest(row, from, SUB, half, codes);
        for (int i = 0; i < SUB / 2; i++) {
            out[to + 4 + sub * SUB / 2 + i] = (byte) (codes[i] | codes[SUB / 2 + i] << 4);
        }
    }

    /**
     * ggml_fp32_to_ue4m3: the nearest UE4M3, halves upwards; 0 for what is not positive. From 248 on, where the result
     * would have the largest exponent, it is always {@link #LARGEST_SCALE}, and no subnormal is rounded up to 2⁻⁶.
     */
    static int toUe4m3(float x) {
        if (!(x > 0)) {
            return 0;
        }
        int bits = Float.floatToRawIntBits(x);
        int exponent = (bits >> 23) - 127 + 7;
        if (exponent <= 0) {
            return Math.min((int) (x * 512f + 0.5f), 7);
        }
        int rounded = (exponent << 3 | bits >> 20 & 7) + (bits >> 19 & 1);
        return rounded >= 15 << 3 ? LARGEST_SCALE : rounded;
    }

    private static float[] halfScales() {
        float[] scales = new float[256];
        for (int scale = 0; scale < 256; scale++) {
            scales[scale] = halfUe4m3(scale);
        }
        return scales;
    }

    /** Half of what a UE4M3 stands for. The top bit plays no part. */
    private static float halfUe4m3(int scale) {
        if (scale == 0 || scale == 0x7f) {
            return 0;
        }
        int exponent = scale >> 3 & 15;
        int mantissa = scale & 7;
        float value = exponent == 0 ? mantissa * 0x1p-9f : Math.scalb(1 + mantissa / 8f, exponent - 7);
        return value * 0.5f;
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            for (int sub = 0; sub < BLOCK / SUB; sub++) {
                float half = HALF_SCALES[BlockBytes.unsigned(blocks, b + sub)];
                int o = to + block * BLOCK + sub * SUB;
                for (int i = 0; i < SUB / 2; i++) {
                    int packed = BlockBytes.unsigned(blocks, b + 4 + 8L * sub + i);
                    out[o + i] = E2m1.decode(packed & 15, half);
                    out[o + SUB / 2 + i] = E2m1.decode(packed >> 4, half);
                }
            }
        }
    }
}
