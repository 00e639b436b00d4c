package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Q2_0: 64 values of -d, 0, d and 2d in 18 bytes: d (F16), the largest absolute value, then two bits each, four to a
 * byte. No value is ever encoded as 2d, since none is larger than d.
 */
public final class Q2 extends BlockwiseCodec {
    private static final int BLOCK = QuantType.Q2_0.blockLength();
    private static final int BYTES = QuantType.Q2_0.blockBytes();

    public Q2() {
        super(QuantType.Q2_0, Q2::decodeBlocks);
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float d = Ternary.largest(row, from, BLOCK);
        float inverse = Ternary.inverse(d);
        BlockBytes.putHalf(out, to, d);
        for (int i = 0; i < BLOCK; i += 4) {
            int packed = 0;
            for (int n = 0; n < 4; n++) {
                packed |= step(row[from + i + n] * inverse) << 2 * n;
            }
            out[to + 2 + i / 4] = (byte) packed;
        }
    }

    /** As in {@link Ternary}, but what is infinite or no number, with a subnormal d, is cut to -d here. */
    private static int step(float scaled) {
        if (!Float.isFinite(scaled)) {
            return 0;
        }
        return scaled >= 0.5f ? 2 : scaled <= -0.5f ? 0 : 1;
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int i = 0; i < BLOCK; i++) {
                int step = BlockBytes.unsigned(blocks, b + 2 + i / 4) >> 2 * (i & 3) & 3;
                out[to + block * BLOCK + i] = (step - 1) * d;
            }
        }
    }
}
