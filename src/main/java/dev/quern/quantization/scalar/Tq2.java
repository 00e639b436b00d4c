package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * TQ2_0: 256 values of -d, 0 and d in 66 bytes, two bits each. 32 bytes for each half of the block, a byte holding the
 * values 0, 32, 64 and 96 further on, then d (F16).
 */
public final class Tq2 extends BlockwiseCodec {
    private static final int BLOCK = 256;
    private static final int BYTES = QuantType.TQ2_0.blockBytes();
    private static final int SCALE = 64;

    public Tq2() {
        super(QuantType.TQ2_0, Tq2::decodeBlocks);
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
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
        BlockBytes.putHalf(out, to + SCALE, d);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b + SCALE);
            for (int i = 0; i < SCALE; i++) {
                int packed = BlockBytes.unsigned(blocks, b + i);
                int first = to + block * BLOCK + (i >> 5) * 128 + (i & 31);
                for (int n = 0; n < 4; n++) {
                    out[first + 32 * n] = ((packed >> 2 * n & 3) - 1) * d;
                }
            }
        }
    }
}
