package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Q1_0: 128 values of -d and d in 18 bytes: d (F16), the mean of the absolute values, then a bit for each sign. */
public final class Q1 implements BlockCodec {
    private static final int BLOCK = QuantType.Q1_0.blockLength();
    private static final int BYTES = QuantType.Q1_0.blockBytes();

    @Override
    public QuantType type() {
        return QuantType.Q1_0;
    }

    @Override
    public void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        for (int block = 0; block < length / BLOCK; block++) {
            encode(row, from + block * BLOCK, out, to + block * BYTES);
        }
    }

    private static void encode(float[] row, int from, byte[] out, int to) {
        float sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += Math.abs(row[from + i]);
        }
        Blocks.putF16(out, to, sum / BLOCK);
        for (int i = 0; i < BLOCK; i += 8) {
            int bits = 0;
            for (int bit = 0; bit < 8; bit++) {
                bits |= row[from + i + bit] >= 0 ? 1 << bit : 0;
            }
            out[to + 2 + i / 8] = (byte) bits;
        }
    }

    @Override
    public void dequantize(MemorySegment blocks, long at, int count, float[] out, int to) {
        decode(blocks, at, count, out, to);
    }

    public static void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = Blocks.f16(blocks, b);
            for (int i = 0; i < BLOCK; i++) {
                int bit = Blocks.u8(blocks, b + 2 + i / 8) >> (i & 7) & 1;
                out[to + block * BLOCK + i] = bit == 1 ? d : -d;
            }
        }
    }
}
