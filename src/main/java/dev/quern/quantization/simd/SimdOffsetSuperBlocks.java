package dev.quern.quantization.simd;

import static dev.quern.quantization.scalar.OffsetSuperBlocks.FIFTH_BITS;
import static dev.quern.quantization.scalar.OffsetSuperBlocks.GROUP;
import static dev.quern.quantization.scalar.OffsetSuperBlocks.GROUPS;
import static dev.quern.quantization.scalar.OffsetSuperBlocks.MINIMUM;
import static dev.quern.quantization.scalar.OffsetSuperBlocks.SCALES;
import static dev.quern.quantization.scalar.Rounding.nearest;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.scalar.OffsetSuperBlocks;
import dev.quern.quantization.scalar.ScalarCodec;
import dev.quern.quantization.scalar.SixBitScales;
import java.lang.foreign.MemorySegment;

/** Q4_K and Q5_K. */
public final class SimdOffsetSuperBlocks extends OffsetSuperBlockRows {
    private final int max;
    private final byte[] codes = new byte[LENGTH];

    private SimdOffsetSuperBlocks(ScalarCodec scalar, int max) {
        super(scalar, GROUPS);
        this.max = max;
    }

    public static SimdOffsetSuperBlocks fourBit() {
        return new SimdOffsetSuperBlocks(OffsetSuperBlocks.fourBit(), 15);
    }

    public static SimdOffsetSuperBlocks fiveBit() {
        return new SimdOffsetSuperBlocks(OffsetSuperBlocks.fiveBit(), 31);
    }

    @Override
    float sigma2(float sumOfSquares) {
        return 2 * sumOfSquares / LENGTH;
    }

    @Override
    int largestScaleCode() {
        return 63;
    }

    @Override
    int searchPlain() {
        Weights.magnitudesAboveLevel(lanes.x, GROUP, lanes.weights);
        return max == 15
                ? lanes.search(GROUP, max, -1f, 0.1f, 20, false)
                : lanes.search(GROUP, max, -0.5f, 0.1f, 15, false);
    }

    @Override
    int searchImportant() {
        return lanes.search(GROUP, max, -0.9f, 0.05f, 36, false);
    }

    @Override
    void spreadCodes(int block) {
        int at = block * GROUPS;
        blockScales[block] = spread(scales, at, scaleCodes);
        blockMinima[block] = spread(minima, at, minimumCodes);
    }

    private static float spread(float[] values, int at, byte[] codes) {
        float largest = largest(values, at, GROUPS);
        float inverse = largest > 0 ? 63f / largest : 0;
        for (int i = at; i < at + GROUPS; i++) {
            codes[i] = (byte) Math.min(63, nearest(inverse * values[i]) & 0xFF);
        }
        return largest / 63f;
    }

    @Override
    void finish(float[] x, int from, int block, byte[] out, int to) {
        float scale = BlockBytes.putHalf(out, to, blockScales[block]);
        float minimum = BlockBytes.putHalf(out, to + MINIMUM, blockMinima[block]);
        putScales(block * GROUPS, out, to + SCALES);
        for (int group = 0; group < GROUPS; group++) {
            float groupScale = scale * SixBitScales.scale(out, to + SCALES, group);
            float groupMinimum = minimum * SixBitScales.minimum(out, to + SCALES, group);
            int at = group * GROUP;
            int index = block * GROUPS + group;
            if (groupScale != 0) {
                FinalCodes.divide(x, from + at, GROUP, groupMinimum, groupScale, 0, max, 0, codes, at);
            } else {
                FinalCodes.ofOffsetSearch(x, from + at, GROUP, inverses[index], bases[index], max, codes, at);
            }
        }
        int nibbles = to + FIFTH_BITS;
        if (max == 31) {
            Packing.bits(codes, 4, out, nibbles);
            nibbles += GROUP;
        }
        for (int pair = 0; pair < 4; pair++) {
            Packing.nibbles(codes, pair * 64, pair * 64 + GROUP, out, nibbles + pair * GROUP);
        }
    }

    private void putScales(int at, byte[] out, int to) {
        if (max == 31) {
            for (int i = at; i < at + GROUPS; i++) {
                scaleCodes[i] = (byte) Math.min(63, scaleCodes[i] & 0xFF);
                minimumCodes[i] = (byte) Math.min(63, minimumCodes[i] & 0xFF);
            }
        }
        SixBitScales.put(scaleCodes, minimumCodes, at, out, to);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        if (max == 15) {
            SimdDecoders.offsetSuperFourBit(blocks, at, count, out, to);
        } else {
            SimdDecoders.offsetSuperFiveBit(blocks, at, count, out, to);
        }
    }
}
