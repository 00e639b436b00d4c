package dev.quern.quantization.simd;

import static dev.quern.quantization.scalar.Rounding.nearest;
import static dev.quern.quantization.scalar.TwoBitSuperBlocks.CODES;
import static dev.quern.quantization.scalar.TwoBitSuperBlocks.GROUPS;
import static dev.quern.quantization.scalar.TwoBitSuperBlocks.MINIMUM;
import static dev.quern.quantization.scalar.TwoBitSuperBlocks.SCALE;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.scalar.TwoBitSuperBlocks;

/** Q2_K. */
public final class SimdTwoBitSuperBlocks extends OffsetSuperBlockRows {
    private final byte[] codes = new byte[LENGTH];

    public SimdTwoBitSuperBlocks() {
        super(new TwoBitSuperBlocks(), GROUPS);
    }

    @Override
    float sigma2(float sumOfSquares) {
        return sumOfSquares / LENGTH;
    }

    @Override
    int largestScaleCode() {
        return 15;
    }

    @Override
    int searchPlain() {
        Weights.magnitudes(lanes.x, GROUPS * Lanes.COUNT, lanes.weights);
        return lanes.search(GROUPS, 3, -0.5f, 0.1f, 15, true);
    }

    @Override
    int searchImportant() {
        return lanes.search(GROUPS, 3, -0.9f, 0.05f, 36, false);
    }

    @Override
    void spreadCodes(int block) {
        int at = block * GROUPS;
        blockScales[block] = spread(scales, at, scaleCodes);
        blockMinima[block] = spread(minima, at, minimumCodes);
    }

    private static float spread(float[] values, int at, byte[] codes) {
        float largest = largest(values, at, GROUPS);
        float inverse = largest > 0 ? 15f / largest : 0;
        for (int i = at; i < at + GROUPS; i++) {
            codes[i] = (byte) nearest(inverse * values[i]);
        }
        return largest / 15f;
    }

    @Override
    void finish(float[] x, int from, int block, byte[] out, int to) {
        float scale = BlockBytes.putHalf(out, to + SCALE, blockScales[block]);
        float minimum = BlockBytes.putHalf(out, to + MINIMUM, blockMinima[block]);
        for (int group = 0; group < GROUPS; group++) {
            int index = block * GROUPS + group;
            int packed = (scaleCodes[index] | minimumCodes[index] << 4) & 0xFF;
            out[to + group] = (byte) packed;
            float groupScale = scale * (packed & 0x0F);
            int at = group * GROUPS;
            if (groupScale != 0) {
                FinalCodes.divide(x, from + at, GROUPS, minimum * (packed >> 4), groupScale, 0, 3, 0, codes, at);
            } else {
                FinalCodes.ofOffsetSearch(x, from + at, GROUPS, inverses[index], bases[index], 3, codes, at);
            }
        }
        Packing.pairs(codes, 0, 0, out, to + CODES);
        Packing.pairs(codes, 128, 0, out, to + CODES + 32);
    }
}
