package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Q3_K: 256 values are 16 groups of 16 with a scale of six bits each, an F16 factor, and codes of three bits around
 * their middle, the third bits apart.
 */
public final class ThreeBitSuperBlocks extends ScalarCodec {
    /** Values in a super-block. */
    public static final int LENGTH = 256;
    /** Groups in a super-block, and values in a group. */
    public static final int GROUPS = 16;

    public static final int CODES = 32;
    public static final int SCALES = 96;
    public static final int SCALE = 108;
    private static final int BYTES = 110;

    private final float[] weights = new float[GROUPS];
    private final float[] weightSums = new float[GROUPS];
    private final float[] scales = new float[GROUPS];
    private final byte[] scaleCodes = new byte[GROUPS];
    private final byte[] codes = new byte[LENGTH];

    public ThreeBitSuperBlocks() {
        super(QuantType.Q3_K, ThreeBitSuperBlocks::decodeBlocks);
    }

    /** {@code quantize_row_q3_K_ref}, one super-block. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        for (int group = 0; group < GROUPS; group++) {
            int at = group * GROUPS;
            scales[group] = SymmetricSearch.byRefinement(GROUPS, 4, x, from + at, codes, at);
        }
        float extreme = SymmetricSearch.extreme(scales, 0, GROUPS);
        if (extreme == 0) {
            // No bits of scale at all, which reads as -32.
            Arrays.fill(scaleCodes, (byte) 0);
            finish(x, from, 0, out, to);
            return;
        }
        float inverse = -32f / extreme;
        for (int group = 0; group < GROUPS; group++) {
            scaleCodes[group] = (byte) (clamp((byte) nearest(inverse * scales[group]), -32, 31) + 32);
        }
        finish(x, from, 1 / inverse, out, to);
    }

    /** {@code quantize_row_q3_K_impl}, one super-block. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        float sigma2 = 2 * sumOfSquares(x, from, LENGTH) / LENGTH;
        for (int group = 0; group < GROUPS; group++) {
            int at = group * GROUPS;
            weigh(x, from + at, GROUPS, importance, weightsFrom + at, sigma2, weights);
            float sum = 0;
            for (float weight : weights) {
                sum += weight;
            }
            weightSums[group] = sum;
            scales[group] = SymmetricSearch.leastSquares(GROUPS, 4, x, from + at, weights, 0, codes, at);
        }
        float scale = SymmetricSearch.leastSquares(GROUPS, 32, scales, 0, weightSums, 0, scaleCodes, 0);
        finish(x, from, scale, out, to);
    }

    /** Chooses the codes anew for what the scale has become, and lays the block out. */
    private void finish(float[] x, int from, float scale, byte[] out, int to) {
        float stored = BlockBytes.putHalf(out, to + SCALE, scale);
        putScales(scaleCodes, out, to + SCALES);
        for (int group = 0; group < GROUPS; group++) {
            float groupScale = stored * (scaleCodes[group] - 32);
            // A group without scale keeps the codes of the search: so does ggml.
            if (groupScale != 0) {
                for (int i = group * GROUPS; i < (group + 1) * GROUPS; i++) {
                    codes[i] = (byte) (clamp(nearest(x[from + i] / groupScale), -4, 3) + 4);
                }
            }
        }
        putThirdBits(codes, out, to);
        CodePairs.put(codes, out, to + CODES);
    }

    /** 16 scales of six bits in 12 bytes: low halves of i and i + 8 together, then the upper bits of every fourth. */
    public static void putScales(byte[] scaleCodes, byte[] out, int to) {
        for (int i = 0; i < 8; i++) {
            out[to + i] = (byte) (scaleCodes[i] & 0x0F | scaleCodes[i + 8] << 4);
        }
        for (int i = 0; i < 4; i++) {
            out[to + 8 + i] = (byte) (scaleCodes[i] >> 4
                    | scaleCodes[i + 4] >> 4 << 2
                    | scaleCodes[i + 8] >> 4 << 4
                    | scaleCodes[i + 12] >> 4 << 6);
        }
    }

    /** The third bits of 256 codes: bit g of byte i is that of value i in the g-th 32 values. */
    public static void putThirdBits(byte[] codes, byte[] out, int to) {
        Arrays.fill(out, to, to + 32, (byte) 0);
        for (int group = 0; group < 8; group++) {
            for (int i = 0; i < 32; i++) {
                out[to + i] |= (byte) (codes[group * 32 + i] >> 2 << group);
            }
        }
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += BYTES) {
            float scale = BlockBytes.half(blocks, at + SCALE);
            for (int group = 0; group < GROUPS; group++) {
                int low = BlockBytes.unsigned(blocks, at + SCALES + (group & 7)) >> (group >> 3) * 4 & 0x0F;
                int high = BlockBytes.unsigned(blocks, at + SCALES + 8 + (group & 3)) >> (group >> 2) * 2 & 3;
                decodeGroup(
                        blocks,
                        at + CODES + (group >> 3) * 32L + (group & 1) * 16L,
                        at + (group & 1) * 16L,
                        group >> 1,
                        scale * ((low | high << 4) - 32),
                        out,
                        to + done + group * GROUPS);
            }
        }
    }

    private static void decodeGroup(
            MemorySegment blocks, long codes, long third, int bit, float scale, float[] out, int to) {
        int shift = (bit & 3) * 2;
        for (int i = 0; i < GROUPS; i++) {
            int low = BlockBytes.unsigned(blocks, codes + i) >> shift & 3;
            int high = (BlockBytes.unsigned(blocks, third + i) >> bit & 1) << 2;
            out[to + i] = scale * ((low | high) - 4);
        }
    }
}
