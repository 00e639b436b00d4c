package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;

/** Q4_0 and Q5_0: 32 values are an F16 scale and codes of four or five bits around their middle. */
public final class SymmetricBlocks extends ScalarCodec {
    private static final int LENGTH = 32;
    private static final int FIFTH_BITS = 2;

    /** Half the number of codes: 8 or 16. */
    private final int max;

    private final float[] weights = new float[LENGTH];
    private final byte[] codes = new byte[LENGTH];

    private SymmetricBlocks(QuantType type, int max, RowDecoder decoder) {
        super(type, decoder);
        this.max = max;
    }

    public static SymmetricBlocks fourBit() {
        return new SymmetricBlocks(QuantType.Q4_0, 8, SymmetricBlocks::decodeFourBit);
    }

    public static SymmetricBlocks fiveBit() {
        return new SymmetricBlocks(QuantType.Q5_0, 16, SymmetricBlocks::decodeFiveBit);
    }

    /** {@code quantize_row_q4_0_ref} and {@code quantize_row_q5_0_ref}, one block. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        float scale = SymmetricSearch.extreme(x, from, LENGTH) / -max;
        float inverse = scale != 0 ? 1 / scale : 0;
        float middle = max + 0.5f;
        for (int i = 0; i < LENGTH; i++) {
            codes[i] = (byte) Math.min(2 * max - 1, (byte) Rounding.truncate(x[from + i] * inverse + middle));
        }
        put(scale, out, to);
    }

    /** {@code quantize_row_q4_0_impl} and {@code quantize_row_q5_0_impl}, one block. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        weigh(x, from, LENGTH, importance, weightsFrom, rowMeanSquare, weights);
        float scale = SymmetricSearch.leastSquares(LENGTH, max, x, from, weights, 0, codes, 0);
        put(scale, out, to);
    }

    @Override
    float rowMeanSquare(float[] row, int from, int length) {
        return sumOfSquares(row, from, length) / length;
    }

    private void put(float scale, byte[] out, int to) {
        BlockBytes.putHalf(out, to, scale);
        if (max == 8) {
            Nibbles.put(codes, 0, out, to + 2);
        } else {
            Nibbles.putFifthBits(codes, 0, out, to + FIFTH_BITS);
            Nibbles.put(codes, 0, out, to + FIFTH_BITS + 4);
        }
    }

    public static void decodeFourBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 18) {
            float scale = BlockBytes.half(blocks, at);
            for (int i = 0; i < LENGTH / 2; i++) {
                int pair = BlockBytes.unsigned(blocks, at + 2 + i);
                out[to + done + i] = ((pair & 0x0F) - 8) * scale;
                out[to + done + LENGTH / 2 + i] = ((pair >> 4) - 8) * scale;
            }
        }
    }

    public static void decodeFiveBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 22) {
            float scale = BlockBytes.half(blocks, at);
            int fifth = blocks.get(BlockBytes.INT, at + FIFTH_BITS);
            for (int i = 0; i < LENGTH / 2; i++) {
                int pair = BlockBytes.unsigned(blocks, at + FIFTH_BITS + 4 + i);
                out[to + done + i] = ((pair & 0x0F | fifth >> i << 4 & 0x10) - 16) * scale;
                out[to + done + LENGTH / 2 + i] = ((pair >> 4 | fifth >> i + 12 & 0x10) - 16) * scale;
            }
        }
    }
}
