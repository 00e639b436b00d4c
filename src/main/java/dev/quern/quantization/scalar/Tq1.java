package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * TQ1_0: 256 values of -d, 0 and d in 54 bytes, five to a byte. A byte holds ⌈256/243 · t⌉ of the five trits' number t,
 * so that multiplying by 3 moves the next trit into bits 8 and 9. 32 bytes for values 0 to 159, 16 for 160 to 239, 4
 * with four trits each for the rest, then d (F16).
 */
public final class Tq1 extends BlockwiseCodec {
    private static final int BLOCK = 256;
    private static final int BYTES = QuantType.TQ1_0.blockBytes();
    private static final int SCALE = 52;

    public Tq1() {
        super(QuantType.TQ1_0, Tq1::decodeBlocks);
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float d = Ternary.largest(row, from, BLOCK);
        float inverse = Ternary.inverse(d);
        for (int i = 0; i < 32; i++) {
            out[to + i] = pack(row, from + i, 32, 5, inverse);
        }
        for (int i = 0; i < 16; i++) {
            out[to + 32 + i] = pack(row, from + 160 + i, 16, 5, inverse);
        }
        for (int i = 0; i < 4; i++) {
            out[to + 48 + i] = pack(row, from + 240 + i, 4, 4, inverse);
        }
        BlockBytes.putHalf(out, to + SCALE, d);
    }

    private static byte pack(float[] row, int first, int stride, int count, float inverse) {
        int number = 0;
        for (int n = 0; n < count; n++) {
            number = 3 * number + Ternary.trit(row[first + n * stride], inverse);
        }
        if (count == 4) {
            number *= 3;
        }
        return (byte) ((number * 256 + 242) / 243);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            int o = to + block * BLOCK;
            float d = BlockBytes.half(blocks, b + SCALE);
            for (int i = 0; i < 32; i++) {
                unpack(BlockBytes.unsigned(blocks, b + i), d, out, o + i, 32, 5);
            }
            for (int i = 0; i < 16; i++) {
                unpack(BlockBytes.unsigned(blocks, b + 32 + i), d, out, o + 160 + i, 16, 5);
            }
            for (int i = 0; i < 4; i++) {
                unpack(BlockBytes.unsigned(blocks, b + 48 + i), d, out, o + 240 + i, 4, 4);
            }
        }
    }

    private static void unpack(int packed, float d, float[] out, int first, int stride, int count) {
        int rest = packed;
        for (int n = 0; n < count; n++) {
            int trit = rest * 3 >> 8;
            out[first + n * stride] = (trit - 1) * d;
            rest = rest * 3 & 0xff;
        }
    }
}
