package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Q2_K: 256 values are 16 groups of 16 with a scale and a minimum of four bits each, F16 factors of both, and codes of
 * two bits.
 */
public final class TwoBitSuperBlocks extends ScalarCodec {
    /** Values in a super-block. */
    public static final int LENGTH = 256;
    /** Groups in a super-block, and values in a group. */
    public static final int GROUPS = 16;

    public static final int CODES = 16;
    public static final int SCALE = 80;
    public static final int MINIMUM = 82;
    private static final int BYTES = 84;

    private static final OffsetSearch.Steps PLAIN = new OffsetSearch.Steps(-0.5f, 0.1f, 15, true);
    private static final OffsetSearch.Steps WITH_IMPORTANCE = new OffsetSearch.Steps(-0.9f, 0.05f, 36, false);

    private final float[] weights = new float[GROUPS];
    private final float[] weightSums = new float[GROUPS];
    private final float[] scales = new float[GROUPS];
    private final float[] minima = new float[GROUPS];
    private final byte[] scaleCodes = new byte[GROUPS];
    private final byte[] minimumCodes = new byte[GROUPS];
    private final byte[] codes = new byte[LENGTH];
    private final OffsetSearch search = new OffsetSearch();

    public TwoBitSuperBlocks() {
        super(QuantType.Q2_K, TwoBitSuperBlocks::decodeBlocks);
    }

    /** {@code quantize_row_q2_K_ref}, one super-block. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        float topScale = 0;
        float topMinimum = 0;
        for (int group = 0; group < GROUPS; group++) {
            int at = from + group * GROUPS;
            for (int i = 0; i < GROUPS; i++) {
                weights[i] = Math.abs(x[at + i]);
            }
            scales[group] = search.search(GROUPS, 3, PLAIN, x, at, weights, codes, group * GROUPS);
            minima[group] = -search.minimum();
            topScale = scales[group] > topScale ? scales[group] : topScale;
            topMinimum = minima[group] > topMinimum ? minima[group] : topMinimum;
        }
        float scale = spread(topScale, scales, scaleCodes);
        float minimum = spread(topMinimum, minima, minimumCodes);
        finish(x, from, scale, minimum, out, to);
    }

    /** Codes from 0 to 15 in proportion to the largest value. */
    private static float spread(float top, float[] values, byte[] codes) {
        if (!(top > 0)) {
            Arrays.fill(codes, (byte) 0);
            return 0;
        }
        float inverse = 15f / top;
        for (int i = 0; i < GROUPS; i++) {
            codes[i] = (byte) nearest(inverse * values[i]);
        }
        return top / 15f;
    }

    /** {@code quantize_row_q2_K_impl}, one super-block. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        float sigma2 = sumOfSquares(x, from, LENGTH) / LENGTH;
        for (int group = 0; group < GROUPS; group++) {
            int at = group * GROUPS;
            weigh(x, from + at, GROUPS, importance, weightsFrom + at, sigma2, weights);
            float sum = 0;
            for (float weight : weights) {
                sum += weight;
            }
            weightSums[group] = sum;
            scales[group] = search.search(GROUPS, 3, WITH_IMPORTANCE, x, from + at, weights, codes, at);
            minima[group] = -search.minimum();
        }
        float scale = OffsetSearch.positive(GROUPS, 15, scales, weightSums, scaleCodes);
        float minimum = OffsetSearch.positive(GROUPS, 15, minima, weightSums, minimumCodes);
        finish(x, from, scale, minimum, out, to);
    }

    /** Chooses the codes anew for what scale and minimum have become, and lays the block out. */
    private void finish(float[] x, int from, float scale, float minimum, byte[] out, int to) {
        float storedScale = BlockBytes.putHalf(out, to + SCALE, scale);
        float storedMinimum = BlockBytes.putHalf(out, to + MINIMUM, minimum);
        for (int group = 0; group < GROUPS; group++) {
            int packed = (scaleCodes[group] | minimumCodes[group] << 4) & 0xFF;
            out[to + group] = (byte) packed;
            float groupScale = storedScale * (packed & 0x0F);
            // A group without scale keeps the codes of the search: so does ggml.
            if (groupScale != 0) {
                float groupMinimum = storedMinimum * (packed >> 4);
                for (int i = group * GROUPS; i < (group + 1) * GROUPS; i++) {
                    codes[i] = (byte) clamp(nearest((x[from + i] + groupMinimum) / groupScale), 0, 3);
                }
            }
        }
        CodePairs.put(codes, out, to + CODES);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += BYTES) {
            float scale = BlockBytes.half(blocks, at + SCALE);
            float minimum = BlockBytes.half(blocks, at + MINIMUM);
            for (int group = 0; group < GROUPS; group++) {
                int packed = BlockBytes.unsigned(blocks, at + group);
                decodeGroup(
                        blocks,
                        at + CODES + (group >> 3) * 32L + (group & 1) * 16L,
                        (group >> 1 & 3) * 2,
                        scale * (packed & 0x0F),
                        minimum * (packed >> 4),
                        out,
                        to + done + group * GROUPS);
            }
        }
    }

    private static void decodeGroup(
            MemorySegment blocks, long codes, int shift, float scale, float minimum, float[] out, int to) {
        for (int i = 0; i < GROUPS; i++) {
            out[to + i] = scale * (BlockBytes.unsigned(blocks, codes + i) >> shift & 3) - minimum;
        }
    }
}
