package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Q1_0: 128 values of -d and d in 18 bytes: d (F16), the mean of the absolute values, then a bit for each sign. */
public final class Q1 extends BlockwiseCodec {
    private static final int BLOCK = QuantType.Q1_0.blockLength();
    private static final int BYTES = QuantType.Q1_0.blockBytes();

    public Q1() {
        super(QuantType.Q1_0, Q1::decodeBlocks);
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += Math.abs(row[from + i]);
        }
        BlockBytes.putHalf(out, to, sum / BLOCK);
        for (int i = 0; i < BLOCK; i += 8) {
            int bits = 0;
            for (int bit = 0; bit < 8; bit++) {
                bits |= row[from + i + bit] >= 0 ? 1 << bit : 0;
            }
            out[to + 2 + i / 8] = (byte) bits;
        }
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int i = 0; i < BLOCK; i++) {
                int bit = BlockBytes.unsigned(blocks, b + 2 + i / 8) >> (i & 7) & 1;
                out[to + block * BLOCK + i] = bit == 1 ? d : -d;
            }
        }
    }
}
