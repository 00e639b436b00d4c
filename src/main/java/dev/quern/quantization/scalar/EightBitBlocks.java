package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Q8_0: 32 values are an F16 scale and 32 signed bytes. Importance plays no part. */
public final class EightBitBlocks extends ScalarCodec {
    private static final int LENGTH = 32;
    private static final int BYTES = 34;
    private static final int CODES = 2;

    public EightBitBlocks() {
        super(QuantType.Q8_0, EightBitBlocks::decodeBlocks);
    }

    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        encodeBlock(x, from, out, to);
    }

    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        quantize(x, from, out, to);
    }

    /** {@code quantize_row_q8_0_ref}, one block. */
    public static void quantize(float[] x, int from, byte[] out, int to) {
        float magnitude = 0;
        for (int i = 0; i < LENGTH; i++) {
            magnitude = Math.max(magnitude, Math.abs(x[from + i]));
        }
        float scale = magnitude / 127;
        float inverse = scale != 0 ? 1 / scale : 0;
        BlockBytes.putHalf(out, to, scale);
        for (int i = 0; i < LENGTH; i++) {
            out[to + CODES + i] = (byte) Rounding.roundHalfAway(x[from + i] * inverse);
        }
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += BYTES) {
            float scale = BlockBytes.half(blocks, at);
            for (int i = 0; i < LENGTH; i++) {
                out[to + done + i] = blocks.get(ValueLayout.JAVA_BYTE, at + CODES + i) * scale;
            }
        }
    }
}
