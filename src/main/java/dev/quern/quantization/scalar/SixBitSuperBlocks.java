package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Q6_K: 256 values are 16 groups of 16 with a signed byte as scale each, an F16 scale of the scales, and codes of six
 * bits around their middle.
 */
public final class SixBitSuperBlocks extends ScalarCodec {
    /** Values in a super-block. */
    public static final int LENGTH = 256;
    /** Groups in a super-block, and values in a group. */
    public static final int GROUPS = 16;

    private static final int BYTES = 210;
    private static final int HIGH = 128;
    private static final int SCALES = 192;
    private static final int SCALE = 208;

    private final float[] weights = new float[LENGTH];
    private final float[] scales = new float[GROUPS];
    private final byte[] codes = new byte[LENGTH];

    public SixBitSuperBlocks() {
        super(QuantType.Q6_K, SixBitSuperBlocks::decodeBlocks);
    }

    /** {@code quantize_row_q6_K_ref}, one super-block: weights are the squares. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        for (int i = 0; i < LENGTH; i++) {
            weights[i] = x[from + i] * x[from + i];
        }
        encode(x, from, weights, 0, out, to);
    }

    /** {@code quantize_row_q6_K_impl}, one super-block: the weights are the importance itself. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        encode(x, from, importance, weightsFrom, out, to);
    }

    private void encode(float[] x, int from, float[] weights, int weightsFrom, byte[] out, int to) {
        for (int group = 0; group < GROUPS; group++) {
            int at = group * GROUPS;
            scales[group] =
                    SymmetricSearch.leastSquares(GROUPS, 32, x, from + at, weights, weightsFrom + at, codes, at);
        }
        float extreme = SymmetricSearch.extreme(scales, 0, GROUPS);
        if (Math.abs(extreme) < SymmetricSearch.ZERO) {
            Arrays.fill(out, to, to + BYTES, (byte) 0);
            return;
        }
        float inverse = -128f / extreme;
        float scale = BlockBytes.putHalf(out, to + SCALE, 1 / inverse);
        for (int group = 0; group < GROUPS; group++) {
            byte code = (byte) Math.min(127, nearest(inverse * scales[group]));
            out[to + SCALES + group] = code;
            float groupScale = scale * code;
            // A group without scale keeps the codes of the search: so does ggml.
            if (groupScale != 0) {
                for (int i = group * GROUPS; i < (group + 1) * GROUPS; i++) {
                    codes[i] = (byte) (clamp(nearest(x[from + i] / groupScale), -32, 31) + 32);
                }
            }
        }
        put(codes, out, to);
    }

    /** Lays out the codes of one super-block: in each half, value i beside i + 64; the upper two bits of four apart. */
    public static void put(byte[] codes, byte[] out, int to) {
        for (int half = 0; half < 2; half++) {
            int from = half * 128;
            int low = to + half * 64;
            int high = to + HIGH + half * 32;
            for (int i = 0; i < 32; i++) {
                int a = codes[from + i];
                int b = codes[from + 32 + i];
                int c = codes[from + 64 + i];
                int d = codes[from + 96 + i];
                out[low + i] = (byte) (a & 0x0F | c << 4);
                out[low + 32 + i] = (byte) (b & 0x0F | d << 4);
                out[high + i] = (byte) (a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6);
            }
        }
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += BYTES) {
            float scale = BlockBytes.half(blocks, at + SCALE);
            for (int half = 0; half < 2; half++) {
                for (int side = 0; side < 2; side++) {
                    long scales = at + SCALES + 8L * half + side;
                    decode(
                            blocks,
                            at + 64L * half + 16L * side,
                            at + HIGH + 32L * half + 16L * side,
                            scale * blocks.get(ValueLayout.JAVA_BYTE, scales),
                            scale * blocks.get(ValueLayout.JAVA_BYTE, scales + 2),
                            scale * blocks.get(ValueLayout.JAVA_BYTE, scales + 4),
                            scale * blocks.get(ValueLayout.JAVA_BYTE, scales + 6),
                            out,
                            to + done + 128 * half + 16 * side);
                }
            }
        }
    }

    /** Four groups of 16 whose codes share bytes. */
    private static void decode(
            MemorySegment blocks, long low, long high, float a, float b, float c, float d, float[] out, int to) {
        for (int i = 0; i < 16; i++) {
            int ac = BlockBytes.unsigned(blocks, low + i);
            int bd = BlockBytes.unsigned(blocks, low + 32 + i);
            int upper = BlockBytes.unsigned(blocks, high + i);
            out[to + i] = a * ((ac & 0x0F | upper << 4 & 0x30) - 32);
            out[to + 32 + i] = b * ((bd & 0x0F | upper << 2 & 0x30) - 32);
            out[to + 64 + i] = c * ((ac >> 4 | upper & 0x30) - 32);
            out[to + 96 + i] = d * ((bd >> 4 | upper >> 2 & 0x30) - 32);
        }
    }
}
