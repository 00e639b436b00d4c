package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;

/** Q4_1 and Q5_1: 32 values are an F16 scale, an F16 minimum, and codes of four or five bits above it. */
public final class OffsetBlocks extends ScalarCodec {
    private static final int LENGTH = 32;
    private static final int MINIMUM = 2;
    private static final int FIFTH_BITS = 4;
    private static final OffsetSearch.Steps STEPS = new OffsetSearch.Steps(-0.9f, 0.05f, 36, false);

    /** The largest code: 15 or 31. */
    private final int max;

    private final float[] weights = new float[LENGTH];
    private final byte[] codes = new byte[LENGTH];
    private final OffsetSearch search = new OffsetSearch();

    private OffsetBlocks(QuantType type, int max, RowDecoder decoder) {
        super(type, decoder);
        this.max = max;
    }

    public static OffsetBlocks fourBit() {
        return new OffsetBlocks(QuantType.Q4_1, 15, OffsetBlocks::decodeFourBit);
    }

    public static OffsetBlocks fiveBit() {
        return new OffsetBlocks(QuantType.Q5_1, 31, OffsetBlocks::decodeFiveBit);
    }

    /** {@code quantize_row_q4_1_ref} and {@code quantize_row_q5_1_ref}, one block. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        float min = Float.MAX_VALUE;
        float top = -Float.MAX_VALUE;
        for (int i = 0; i < LENGTH; i++) {
            float value = x[from + i];
            if (value < min) {
                min = value;
            }
            if (value > top) {
                top = value;
            }
        }
        float scale = (top - min) / max;
        float inverse = scale != 0 ? 1 / scale : 0;
        for (int i = 0; i < LENGTH; i++) {
            codes[i] = code((x[from + i] - min) * inverse + 0.5f);
        }
        put(scale, min, out, to);
    }

    private byte code(float value) {
        int truncated = Rounding.truncate(value);
        // Q4_1 clamps from above, Q5_1 does not and keeps what fits its bits.
        return (byte) (max == 15 ? Math.min(15, (byte) truncated) : truncated);
    }

    /** {@code quantize_row_q4_1_impl} and {@code quantize_row_q5_1_impl}, one block. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        weigh(x, from, LENGTH, importance, weightsFrom, rowMeanSquare, weights);
        float scale = search.search(LENGTH, max, STEPS, x, from, weights, codes, 0);
        put(scale, search.minimum(), out, to);
    }

    @Override
    float rowMeanSquare(float[] row, int from, int length) {
        return sumOfSquares(row, from, length) / length;
    }

    private void put(float scale, float min, byte[] out, int to) {
        BlockBytes.putHalf(out, to, scale);
        BlockBytes.putHalf(out, to + MINIMUM, min);
        if (max == 15) {
            Nibbles.put(codes, 0, out, to + 4);
        } else {
            Nibbles.putFifthBits(codes, 0, out, to + FIFTH_BITS);
            Nibbles.put(codes, 0, out, to + FIFTH_BITS + 4);
        }
    }

    public static void decodeFourBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 20) {
            float scale = BlockBytes.half(blocks, at);
            float min = BlockBytes.half(blocks, at + MINIMUM);
            for (int i = 0; i < LENGTH / 2; i++) {
                int pair = BlockBytes.unsigned(blocks, at + 4 + i);
                out[to + done + i] = (pair & 0x0F) * scale + min;
                out[to + done + LENGTH / 2 + i] = (pair >> 4) * scale + min;
            }
        }
    }

    public static void decodeFiveBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 24) {
            float scale = BlockBytes.half(blocks, at);
            float min = BlockBytes.half(blocks, at + MINIMUM);
            int fifth = blocks.get(BlockBytes.INT, at + FIFTH_BITS);
            for (int i = 0; i < LENGTH / 2; i++) {
                int pair = BlockBytes.unsigned(blocks, at + FIFTH_BITS + 4 + i);
                out[to + done + i] = (pair & 0x0F | fifth >> i << 4 & 0x10) * scale + min;
                out[to + done + LENGTH / 2 + i] = (pair >> 4 | fifth >> i + 12 & 0x10) * scale + min;
            }
        }
    }
}
