package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ2_XXS: 256 values in 66 bytes: d (F16), then for each 32 values the numbers of four of 256 points, and four times
 * seven signs and a 4-bit scale in one 32-bit number. Needs importance.
 */
public final class Iq2Xxs extends BlockwiseCodec {
    private static final int BLOCK = 256;
    private static final int SUB = 32;
    public static final int POINTS = 2;
    /** The first four points' signs, and the first scale; with the points they take eight bytes of each 32 values. */
    public static final int SIGNS = 6;

    private static final int BYTES = QuantType.IQ2_XXS.blockBytes();
    /** Below this (GROUP_MAX_EPS) a sub-block counts as zero. */
    private static final float NOTHING = 1e-15f;

    private final ScaleSearch search;
    private final float[] x = new float[SUB];
    private final float[] weight = new float[SUB];
    private final float[] root = new float[SUB];
    private final int[] points = new int[SUB / 8];
    private final float[] scales = new float[BLOCK / SUB];

    public Iq2Xxs() {
        this(new FittedSearch(Grids.aroundIq2Xxs()));
    }

    public Iq2Xxs(ScaleSearch search) {
        super(QuantType.IQ2_XXS, Iq2Xxs::decodeBlocks);
        this.search = search;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float[] needed = Weights.needed(importance, type());
        Arrays.fill(out, to, to + BYTES, (byte) 0);
        float sigma2 = Weights.sumOfSquares(row, from, BLOCK) / BLOCK;
        float largestScale = 0;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            int first = from + sub * SUB;
            Weights.important(row, first, needed, importanceFrom + sub * SUB, sigma2, weight, SUB);
            scales[sub] = encodeSub(row, first, out, to + POINTS + 8 * sub);
            largestScale = Math.max(largestScale, scales[sub]);
        }
        if (largestScale == 0) {
            Arrays.fill(out, to, to + BYTES, (byte) 0);
            return;
        }
        float d = largestScale / 31;
        BlockBytes.putHalf(out, to, d);
        float inverse = 1 / d;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            out[to + SIGNS + 3 + 8 * sub] |= (byte) (OddLevels.nearest(inverse, scales[sub], 15) << 4);
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to) {
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
        if (points[0] == ScaleSearch.NONE) {
            return 0;
        }
        if (scale < 0) {
            scale = -scale;
            signs = ~signs & 0x0fffffff;
        }
        for (int k = 0; k < 4; k++) {
            out[to + k] = (byte) points[k];
        }
        BlockBytes.putInt(out, to + 4, signs);
        return Weights.checked(scale);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq2Xxs();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int sub = 0; sub < BLOCK / SUB; sub++) {
                int signsAndScale = blocks.get(BlockBytes.INT, b + SIGNS + 8L * sub);
                float scale = d * (0.5f + (signsAndScale >>> 28)) * 0.25f;
                for (int k = 0; k < 4; k++) {
                    int signs = Signs.unpackEven(signsAndScale >>> 7 * k & 127);
                    int point = BlockBytes.unsigned(blocks, b + POINTS + 8L * sub + k);
                    grid.put(point, scale, signs, out, to + block * BLOCK + sub * SUB + 8 * k);
                }
            }
        }
    }
}
