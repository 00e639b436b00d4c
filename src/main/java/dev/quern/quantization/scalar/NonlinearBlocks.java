package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * IQ4_NL: 32 values are an F16 scale and codes of four bits that stand for 16 uneven levels. IQ4_XS: eight such groups
 * with scales of six bits and one F16 factor.
 */
public final class NonlinearBlocks extends ScalarCodec {
    private static final int GROUP = 32;
    private static final int TRIES = 7;
    /** Of IQ4_XS: bytes before the upper bits of the scales, their lower bits, and the codes. */
    public static final int UPPER_SCALES = 2;

    public static final int LOWER_SCALES = 4;
    public static final int CODES = 8;

    private final int groups;
    private final float[] weights = new float[GROUP];
    private final float[] scales;
    private final byte[] codes;

    private NonlinearBlocks(QuantType type, RowDecoder decoder) {
        super(type, decoder);
        groups = type.blockLength() / GROUP;
        scales = new float[groups];
        codes = new byte[type.blockLength()];
    }

    public static NonlinearBlocks blocks() {
        return new NonlinearBlocks(QuantType.IQ4_NL, NonlinearBlocks::decodeBlocks);
    }

    public static NonlinearBlocks superBlocks() {
        return new NonlinearBlocks(QuantType.IQ4_XS, NonlinearBlocks::decodeSuperBlocks);
    }

    /** {@code quantize_row_iq4_nl_impl} without importance: weights are the squares. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        for (int group = 0; group < groups; group++) {
            int at = from + group * GROUP;
            for (int i = 0; i < GROUP; i++) {
                weights[i] = x[at + i] * x[at + i];
            }
            scales[group] = search(x, at);
        }
        finish(x, from, out, to);
    }

    /** {@code quantize_row_iq4_nl_impl} with importance. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        float sigma2 = sumOfSquares(x, from, groups * GROUP) * (2f / (groups * GROUP));
        for (int group = 0; group < groups; group++) {
            int at = group * GROUP;
            weigh(x, from + at, GROUP, importance, weightsFrom + at, sigma2, weights);
            scales[group] = search(x, from + at);
        }
        finish(x, from, out, to);
    }

    /** The scale of one group: weighted least squares over 16 trial scales. */
    private float search(float[] x, int from) {
        float extreme = SymmetricSearch.extreme(x, from, GROUP);
        if (Math.abs(extreme) < SymmetricSearch.ZERO) {
            return 0;
        }
        int lowest = NonlinearCodes.level(0);
        float inverse = 1 / (-extreme / lowest);
        float scale = 0;
        float best = 0;
        for (int step = -TRIES - 1; step <= TRIES; step++) {
            boolean first = step < -TRIES;
            if (!first) {
                inverse = (step + lowest) / extreme;
            }
            float sumqx = 0;
            float sumq2 = 0;
            for (int i = 0; i < GROUP; i++) {
                float value = x[from + i];
                float level = NonlinearCodes.level(NonlinearCodes.nearest(inverse * value));
                float w = weights[i];
                sumqx += w * level * value;
                sumq2 += w * level * level;
            }
            if (first) {
                scale = sumq2 > 0 ? sumqx / sumq2 : 0;
                best = scale * sumqx;
            } else if (sumq2 > 0 && sumqx * sumqx > best * sumq2) {
                scale = sumqx / sumq2;
                best = scale * sumqx;
            }
        }
        return scale;
    }

    private void finish(float[] x, int from, byte[] out, int to) {
        if (groups == 1) {
            BlockBytes.putHalf(out, to, scales[0]);
            choose(x, from, scales[0] != 0 ? 1 / scales[0] : 0, 0);
            Nibbles.put(codes, 0, out, to + 2);
            return;
        }
        float scale = -SymmetricSearch.extreme(scales, 0, groups) / 32;
        float inverse = scale != 0 ? 1 / scale : 0;
        BlockBytes.putHalf(out, to, scale);
        Arrays.fill(out, to + LOWER_SCALES, to + CODES, (byte) 0);
        int upper = 0;
        for (int group = 0; group < groups; group++) {
            int code = clamp(Rounding.nearest(inverse * scales[group]), -32, 31);
            float groupScale = scale * code;
            choose(x, from + group * GROUP, groupScale != 0 ? 1 / groupScale : 0, group * GROUP);
            out[to + LOWER_SCALES + group / 2] |= (byte) ((code + 32 & 0x0F) << group % 2 * 4);
            upper |= code + 32 >> 4 << 2 * group;
            Nibbles.put(codes, group * GROUP, out, to + CODES + group * GROUP / 2);
        }
        BlockBytes.putShort(out, to + UPPER_SCALES, upper);
    }

    private void choose(float[] x, int from, float inverse, int codesFrom) {
        for (int i = 0; i < GROUP; i++) {
            codes[codesFrom + i] = (byte) NonlinearCodes.nearest(inverse * x[from + i]);
        }
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += GROUP, at += 18) {
            decodeGroup(blocks, at + 2, BlockBytes.half(blocks, at), out, to + done);
        }
    }

    public static void decodeSuperBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += 256, at += 136) {
            float scale = BlockBytes.half(blocks, at);
            int upper = blocks.get(BlockBytes.SHORT, at + UPPER_SCALES);
            for (int group = 0; group < 8; group++) {
                int lower = BlockBytes.unsigned(blocks, at + LOWER_SCALES + group / 2) >> group % 2 * 4 & 0x0F;
                float groupScale = scale * ((lower | (upper >> 2 * group & 3) << 4) - 32);
                decodeGroup(blocks, at + CODES + group * 16L, groupScale, out, to + done + group * GROUP);
            }
        }
    }

    private static void decodeGroup(MemorySegment blocks, long codes, float scale, float[] out, int to) {
        for (int i = 0; i < GROUP / 2; i++) {
            int pair = BlockBytes.unsigned(blocks, codes + i);
            out[to + i] = scale * NonlinearCodes.level(pair & 0x0F);
            out[to + GROUP / 2 + i] = scale * NonlinearCodes.level(pair >> 4);
        }
    }
}
