package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ3_XXS: 256 values in 98 bytes: d (F16); for each four values the number of one of 256 points; for each 32 values
 * four times seven signs and a 4-bit scale in one 32-bit number.
 */
public final class Iq3Xxs extends BlockwiseCodec {
    private static final int BLOCK = 256;
    public static final int SUB = 32;
    private static final int BYTES = QuantType.IQ3_XXS.blockBytes();
    public static final int POINTS = 2;
    public static final int SIGNS = 66;
    /** Below this (GROUP_MAX_EPS_IQ3_XXS) a sub-block counts as zero. */
    private static final float NOTHING = 1e-8f;

    private final ScaleSearch search;
    private final float[] x = new float[SUB];
    private final float[] weight = new float[SUB];
    private final float[] root = new float[SUB];
    private final int[] points = new int[SUB / 4];
    private final float[] scales = new float[BLOCK / SUB];

    public Iq3Xxs() {
        this(new SteppedSearch(Grids.aroundIq3Xxs(), SUB, 15, 0.2f, false));
    }

    public Iq3Xxs(ScaleSearch search) {
        super(QuantType.IQ3_XXS, Iq3Xxs::decodeBlocks);
        this.search = search;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        Arrays.fill(out, to, to + BYTES, (byte) 0);
        float sigma2 = 2 * Weights.sumOfSquares(row, from, BLOCK) / BLOCK;
        float largestScale = 0;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            int first = from + sub * SUB;
            if (importance == null) {
                Weights.plain(row, first, 0, weight, SUB);
            } else {
                Weights.important(row, first, importance, importanceFrom + sub * SUB, sigma2, weight, SUB);
            }
            scales[sub] = encodeSub(row, first, out, to, sub);
            largestScale = Math.max(largestScale, scales[sub]);
        }
        if (largestScale == 0) {
            Arrays.fill(out, to, to + BYTES, (byte) 0);
            return;
        }
        float d = largestScale / 31;
        BlockBytes.putHalf(out, to, d * 1.0125f);
        float inverse = 1 / d;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            out[to + SIGNS + 4 * sub + 3] |= (byte) (OddLevels.nearest(inverse, scales[sub], 15) << 4);
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to, int sub) {
        Weights.roots(weight, root, SUB);
        int signs = 0;
        for (int k = 0; k < 4; k++) {
            signs |= Signs.splitEven(row, first, weight, x, k) << 7 * k;
        }
        float largest = Weights.largest(x, SUB);
        if (largest < NOTHING) {
            return 0;
        }
        float scale = search.search(x, weight, root, largest, points);
        if (scale < 0) {
            scale = -scale;
            signs = ~signs & 0x0fffffff;
        }
        for (int k = 0; k < 8; k++) {
            out[to + POINTS + 8 * sub + k] = (byte) points[k];
        }
        BlockBytes.putInt(out, to + SIGNS + 4 * sub, signs);
        return Weights.checked(scale);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq3Xxs();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int sub = 0; sub < BLOCK / SUB; sub++) {
                int signsAndScale = blocks.get(BlockBytes.INT, b + SIGNS + 4L * sub);
                float scale = d * (0.5f + (signsAndScale >>> 28)) * 0.5f;
                int o = to + block * BLOCK + sub * SUB;
                for (int k = 0; k < 8; k++) {
                    int point = BlockBytes.unsigned(blocks, b + POINTS + 8L * sub + k);
                    int signs = Signs.unpackEven(signsAndScale >>> 7 * (k / 2) & 127) >> 4 * (k & 1);
                    grid.put(point, scale, signs, out, o + 4 * k);
                }
            }
        }
    }
}
