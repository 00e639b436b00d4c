package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ2_S: 256 values in 82 bytes: d (F16); for each eight values the low eight bits of the number of one of 1024 points;
 * a sign bit for each value; the points' other two bits; a 4-bit scale for each 16 values.
 */
public final class Iq2S extends BlockwiseCodec {
    private static final int BLOCK = 256;
    public static final int SUB = 16;
    private static final int BYTES = QuantType.IQ2_S.blockBytes();
    public static final int POINTS = 2;
    public static final int SIGNS = 34;
    public static final int HIGH_BITS = 66;
    public static final int SCALES = 74;
    /** Below this (GROUP_MAX_EPS_IQ2_S) a sub-block counts as zero. */
    private static final float NOTHING = 1e-8f;

    private final ScaleSearch search;
    private final float[] x = new float[SUB];
    private final float[] weight = new float[SUB];
    private final float[] root = new float[SUB];
    private final int[] points = new int[SUB / 8];
    private final float[] scales = new float[BLOCK / SUB];

    public Iq2S() {
        this(new SteppedSearch(Grids.aroundIq2S(), SUB, 9, 0.1f, false));
    }

    public Iq2S(ScaleSearch search) {
        super(QuantType.IQ2_S, Iq2S::decodeBlocks);
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
                Weights.plain(row, first, 0.25f * sigma2, weight, SUB);
            } else {
                Weights.important(row, first, importance, importanceFrom + sub * SUB, sigma2, weight, SUB);
            }
            scales[sub] = encodeSub(row, first, out, to, sub);
            largestScale = Math.max(largestScale, scales[sub]);
        }
        if (largestScale == 0) {
            return;
        }
        float d = largestScale / 31;
        BlockBytes.putHalf(out, to, d * 0.9875f);
        float inverse = 1 / d;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            out[to + SCALES + sub / 2] |= (byte) (OddLevels.nearest(inverse, scales[sub], 15) << 4 * (sub & 1));
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to, int sub) {
        Weights.roots(weight, root, SUB);
        int signs = Signs.split(row, first, x, 0) | Signs.split(row, first, x, 1) << 8;
        float largest = Weights.largest(x, SUB);
        if (largest < NOTHING) {
            return 0;
        }
        float scale = search.search(x, weight, root, largest, points);
        if (scale < 0) {
            scale = -scale;
            signs = ~signs;
        }
        out[to + POINTS + 2 * sub] = (byte) points[0];
        out[to + POINTS + 2 * sub + 1] = (byte) points[1];
        int high = points[0] >> 8 | points[1] >> 8 << 2;
        out[to + HIGH_BITS + sub / 2] |= (byte) (high << 4 * (sub & 1));
        BlockBytes.putShort(out, to + SIGNS + 2 * sub, signs);
        return Weights.checked(scale);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq2S();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int group = 0; group < BLOCK / 8; group++) {
                int step = BlockBytes.unsigned(blocks, b + SCALES + group / 4) >> 4 * (group / 2 & 1) & 15;
                float scale = d * (0.5f + step) * 0.25f;
                int high = BlockBytes.unsigned(blocks, b + HIGH_BITS + group / 4) >> 2 * (group & 3) & 3;
                int point = BlockBytes.unsigned(blocks, b + POINTS + group) | high << 8;
                int signs = BlockBytes.unsigned(blocks, b + SIGNS + group);
                grid.put(point, scale, signs, out, to + block * BLOCK + 8 * group);
            }
        }
    }
}
