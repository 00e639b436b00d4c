package dev.quern.quantization.scalar;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowDecoder;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Q4_K and Q5_K: 256 values are eight groups of 32 with a scale and a minimum of six bits each, F16 factors of both,
 * and codes of four or five bits.
 */
public final class OffsetSuperBlocks extends ScalarCodec {
    /** Values in a super-block. */
    public static final int LENGTH = 256;
    /** Groups in a super-block. */
    public static final int GROUPS = 8;
    /** Values in a group. */
    public static final int GROUP = 32;

    public static final int MINIMUM = 2;
    public static final int SCALES = 4;
    public static final int FIFTH_BITS = 16;

    private static final OffsetSearch.Steps WITH_IMPORTANCE = new OffsetSearch.Steps(-0.9f, 0.05f, 36, false);

    /** The largest code: 15 or 31. */
    private final int max;

    private final OffsetSearch.Steps steps;
    private final float[] weights = new float[GROUP];
    private final float[] weightSums = new float[GROUPS];
    private final float[] scales = new float[GROUPS];
    private final float[] minima = new float[GROUPS];
    private final byte[] scaleCodes = new byte[GROUPS];
    private final byte[] minimumCodes = new byte[GROUPS];
    private final byte[] codes = new byte[LENGTH];
    private final OffsetSearch search = new OffsetSearch();

    private OffsetSuperBlocks(QuantType type, int max, OffsetSearch.Steps steps, RowDecoder decoder) {
        super(type, decoder);
        this.max = max;
        this.steps = steps;
    }

    public static OffsetSuperBlocks fourBit() {
        var steps = new OffsetSearch.Steps(-1f, 0.1f, 20, false);
        return new OffsetSuperBlocks(QuantType.Q4_K, 15, steps, OffsetSuperBlocks::decodeFourBit);
    }

    public static OffsetSuperBlocks fiveBit() {
        var steps = new OffsetSearch.Steps(-0.5f, 0.1f, 15, false);
        return new OffsetSuperBlocks(QuantType.Q5_K, 31, steps, OffsetSuperBlocks::decodeFiveBit);
    }

    /** {@code quantize_row_q4_K_ref} and {@code quantize_row_q5_K_ref}, one super-block. */
    @Override
    void encodeBlock(float[] x, int from, byte[] out, int to) {
        float topScale = 0;
        float topMinimum = 0;
        for (int group = 0; group < GROUPS; group++) {
            int at = from + group * GROUP;
            float level = (float) Math.sqrt(sumOfSquares(x, at, GROUP) / GROUP);
            for (int i = 0; i < GROUP; i++) {
                weights[i] = level + Math.abs(x[at + i]);
            }
            scales[group] = search.search(GROUP, max, steps, x, at, weights, codes, group * GROUP);
            minima[group] = -search.minimum();
            topScale = scales[group] > topScale ? scales[group] : topScale;
            topMinimum = minima[group] > topMinimum ? minima[group] : topMinimum;
        }
        float inverseScale = topScale > 0 ? 63f / topScale : 0;
        float inverseMinimum = topMinimum > 0 ? 63f / topMinimum : 0;
        for (int group = 0; group < GROUPS; group++) {
            scaleCodes[group] = (byte) Math.min(63, nearest(inverseScale * scales[group]) & 0xFF);
            minimumCodes[group] = (byte) Math.min(63, nearest(inverseMinimum * minima[group]) & 0xFF);
        }
        finish(x, from, topScale / 63f, topMinimum / 63f, out, to);
    }

    /** {@code quantize_row_q4_K_impl} and {@code quantize_row_q5_K_impl}, one super-block. */
    @Override
    void encodeBlock(
            float[] x, int from, float[] importance, int weightsFrom, float rowMeanSquare, byte[] out, int to) {
        float sigma2 = 2 * sumOfSquares(x, from, LENGTH) / LENGTH;
        for (int group = 0; group < GROUPS; group++) {
            int at = group * GROUP;
            weigh(x, from + at, GROUP, importance, weightsFrom + at, sigma2, weights);
            float sum = 0;
            for (float weight : weights) {
                sum += weight;
            }
            weightSums[group] = sum;
            scales[group] = search.search(GROUP, max, WITH_IMPORTANCE, x, from + at, weights, codes, at);
            minima[group] = -search.minimum();
        }
        float scale = OffsetSearch.positive(GROUPS, 63, scales, weightSums, scaleCodes);
        float minimum = OffsetSearch.positive(GROUPS, 63, minima, weightSums, minimumCodes);
        if (max == 31) {
            for (int group = 0; group < GROUPS; group++) {
                scaleCodes[group] = (byte) Math.min(63, scaleCodes[group] & 0xFF);
                minimumCodes[group] = (byte) Math.min(63, minimumCodes[group] & 0xFF);
            }
        }
        finish(x, from, scale, minimum, out, to);
    }

    /** Chooses the codes anew for what scale and minimum have become, and lays the block out. */
    private void finish(float[] x, int from, float scale, float minimum, byte[] out, int to) {
        float storedScale = BlockBytes.putHalf(out, to, scale);
        float storedMinimum = BlockBytes.putHalf(out, to + MINIMUM, minimum);
        SixBitScales.put(scaleCodes, minimumCodes, out, to + SCALES);
        for (int group = 0; group < GROUPS; group++) {
            float groupScale = storedScale * SixBitScales.scale(out, to + SCALES, group);
            // A group without scale keeps the codes of the search: so does ggml.
            if (groupScale != 0) {
                float groupMinimum = storedMinimum * SixBitScales.minimum(out, to + SCALES, group);
                for (int i = group * GROUP; i < (group + 1) * GROUP; i++) {
                    codes[i] = (byte) clamp(nearest((x[from + i] + groupMinimum) / groupScale), 0, max);
                }
            }
        }
        if (max == 31) {
            putFifthBits(codes, out, to + FIFTH_BITS);
            putNibbles(codes, out, to + FIFTH_BITS + 32);
        } else {
            putNibbles(codes, out, to + FIFTH_BITS);
        }
    }

    /** The low four bits of 256 codes: value i of an even group beside value i of the next. */
    public static void putNibbles(byte[] codes, byte[] out, int to) {
        for (int pair = 0; pair < 4; pair++) {
            for (int i = 0; i < GROUP; i++) {
                out[to + pair * GROUP + i] = (byte) (codes[pair * 64 + i] & 0x0F | codes[pair * 64 + GROUP + i] << 4);
            }
        }
    }

    /** The fifth bits of 256 codes: bit g of byte i is that of value i in group g. */
    public static void putFifthBits(byte[] codes, byte[] out, int to) {
        Arrays.fill(out, to, to + GROUP, (byte) 0);
        for (int group = 0; group < GROUPS; group++) {
            for (int i = 0; i < GROUP; i++) {
                out[to + i] |= (byte) (codes[group * GROUP + i] >> 4 << group);
            }
        }
    }

    public static void decodeFourBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 144) {
            float scale = BlockBytes.half(blocks, at);
            float minimum = BlockBytes.half(blocks, at + MINIMUM);
            for (int group = 0; group < GROUPS; group++) {
                decodeGroup(
                        blocks,
                        at + FIFTH_BITS + (group >> 1) * 32L,
                        (group & 1) * 4,
                        scale * SixBitScales.scale(blocks, at + SCALES, group),
                        minimum * SixBitScales.minimum(blocks, at + SCALES, group),
                        out,
                        to + done + group * GROUP);
            }
        }
    }

    private static void decodeGroup(
            MemorySegment blocks, long nibbles, int shift, float scale, float minimum, float[] out, int to) {
        for (int i = 0; i < GROUP; i++) {
            out[to + i] = scale * (BlockBytes.unsigned(blocks, nibbles + i) >> shift & 0x0F) - minimum;
        }
    }

    public static void decodeFiveBit(MemorySegment blocks, long at, int count, float[] out, int to) {
        for (int done = 0; done < count; done += LENGTH, at += 176) {
            float scale = BlockBytes.half(blocks, at);
            float minimum = BlockBytes.half(blocks, at + MINIMUM);
            for (int group = 0; group < GROUPS; group++) {
                decodeGroup(
                        blocks,
                        at + FIFTH_BITS + 32 + (group >> 1) * 32L,
                        at + FIFTH_BITS,
                        group,
                        scale * SixBitScales.scale(blocks, at + SCALES, group),
                        minimum * SixBitScales.minimum(blocks, at + SCALES, group),
                        out,
                        to + done + group * GROUP);
            }
        }
    }

    private static void decodeGroup(
            MemorySegment blocks,
            long nibbles,
            long fifth,
            int group,
            float scale,
            float minimum,
            float[] out,
            int to) {
        int shift = (group & 1) * 4;
        for (int i = 0; i < GROUP; i++) {
            int low = BlockBytes.unsigned(blocks, nibbles + i) >> shift & 0x0F;
            int high = (BlockBytes.unsigned(blocks, fifth + i) >> group & 1) << 4;
            out[to + i] = scale * (low | high) - minimum;
        }
    }
}
