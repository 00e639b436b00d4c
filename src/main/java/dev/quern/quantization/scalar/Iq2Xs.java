package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ2_XS: 256 values in 74 bytes: d (F16); for each eight values a 16-bit number, the low nine bits one of 512 points
 * and the high seven the signs; a 4-bit scale for each 16 values. Needs importance.
 */
public final class Iq2Xs extends BlockwiseCodec {
    private static final int BLOCK = 256;
    public static final int SUB = 16;
    private static final int BYTES = QuantType.IQ2_XS.blockBytes();
    public static final int POINTS = 2;
    public static final int SCALES = 66;
    /** Below this (GROUP_MAX_EPS) a sub-block counts as zero. */
    private static final float NOTHING = 1e-15f;

    private final ScaleSearch search;
    private final float[] x = new float[SUB];
    private final float[] weight = new float[SUB];
    private final float[] root = new float[SUB];
    private final int[] points = new int[SUB / 8];
    private final float[] scales = new float[BLOCK / SUB];

    public Iq2Xs() {
        this(new SteppedSearch(Grids.aroundIq2Xs(), SUB, 9, 0.1f, false));
    }

    public Iq2Xs(ScaleSearch search) {
        super(QuantType.IQ2_XS, Iq2Xs::decodeBlocks);
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
            scales[sub] = encodeSub(row, first, out, to + POINTS + 4 * sub);
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
            out[to + SCALES + sub / 2] |= (byte) (OddLevels.nearest(inverse, scales[sub], 15) << 4 * (sub & 1));
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to) {
        Weights.roots(weight, root, SUB);
        int signs = Signs.splitEven(row, first, weight, x, 0) | Signs.splitEven(row, first, weight, x, 1) << 7;
        float largest = Weights.largest(x, SUB);
        if (largest < NOTHING) {
            return 0;
        }
        float scale = search.search(x, weight, root, largest, points);
        if (scale < 0) {
            scale = -scale;
            signs = ~signs;
        }
        BlockBytes.putShort(out, to, points[0] | (signs & 127) << 9);
        BlockBytes.putShort(out, to + 2, points[1] | (signs >> 7 & 127) << 9);
        return Weights.checked(scale);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq2Xs();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int group = 0; group < BLOCK / 8; group++) {
                int step = BlockBytes.unsigned(blocks, b + SCALES + group / 4) >> 4 * (group / 2 & 1) & 15;
                float scale = d * (0.5f + step) * 0.25f;
                int pointAndSigns = BlockBytes.unsignedShort(blocks, b + POINTS + 2L * group);
                int signs = Signs.unpackEven(pointAndSigns >> 9);
                grid.put(pointAndSigns & 511, scale, signs, out, to + block * BLOCK + 8 * group);
            }
        }
    }
}
