package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * TQ2_0: 256 values of -d, 0 and d in 66 bytes, two bits each. 32 bytes for each half of the block, a byte holding the
 * values 0, 32, 64 and 96 further on, then d (F16).
 */
public final class Tq2 implements BlockCodec {
    private static final int BLOCK = 256;
    private static final int BYTES = QuantType.TQ2_0.blockBytes();
    private static final int SCALE = 64;

    @Override
    public QuantType type() {
        return QuantType.TQ2_0;
    }

    @Override
    public void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        for (int block = 0; block < length / BLOCK; block++) {
            encode(row, from + block * BLOCK, out, to + block * BYTES);
        }
    }

    private static void encode(float[] row, int from, byte[] out, int to) {
        float d = Ternary.largest(row, from, BLOCK);
        float inverse = Ternary.inverse(d);
        for (int i = 0; i < SCALE; i++) {
            int first = from + (i >> 5) * 128 + (i & 31);
            int packed = 0;
            for (int n = 0; n < 4; n++) {
                packed |= Ternary.trit(row[first + 32 * n], inverse) << 2 * n;
            }
            out[to + i] = (byte) packed;
        }
        Blocks.putF16(out, to + SCALE, d);
    }

    @Override
    public void dequantize(MemorySegment blocks, long at, int count, float[] out, int to) {
        decode(blocks, at, count, out, to);
    }

    public static void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = Blocks.f16(blocks, b + SCALE);
            for (int i = 0; i < SCALE; i++) {
                int packed = Blocks.u8(blocks, b + i);
                int first = to + block * BLOCK + (i >> 5) * 128 + (i & 31);
                for (int n = 0; n < 4; n++) {
                    out[first + 32 * n] = ((packed >> 2 * n & 3) - 1) * d;
                }
            }
        }
    }
}
