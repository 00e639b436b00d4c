package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ3_S: 256 values in 110 bytes: d (F16); for each four values the low eight bits of the number of one of 512 points;
 * the ninth bits; a sign bit each; a 4-bit scale for each 32 values.
 */
public final class Iq3S extends BlockwiseCodec {
    private static final int BLOCK = 256;
    public static final int SUB = 32;
    private static final int BYTES = QuantType.IQ3_S.blockBytes();
    public static final int POINTS = 2;
    public static final int HIGH_BITS = 66;
    public static final int SIGNS = 74;
    public static final int SCALES = 106;

    private final ScaleSearch search;
    private final float[] x = new float[SUB];
    private final float[] weight = new float[SUB];
    private final float[] root = new float[SUB];
    private final int[] points = new int[SUB / 4];
    private final float[] scales = new float[BLOCK / SUB];
    /**
     * Sub-blocks whose points and signs are written. quantize_row_iq3_s_impl leaves no room for an all-zero sub-block's,
     * so that those of later ones come too early; their ninth bits and scales do not.
     */
    private int stored;

    public Iq3S() {
        this(new SteppedSearch(Grids.aroundIq3S(), SUB, 9, 0.2f, true));
    }

    public Iq3S(ScaleSearch search) {
        super(QuantType.IQ3_S, Iq3S::decodeBlocks);
        this.search = search;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        Arrays.fill(out, to, to + BYTES, (byte) 0);
        float sigma2 = 2 * Weights.sumOfSquares(row, from, BLOCK) / BLOCK;
        float largestScale = 0;
        stored = 0;
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
            return;
        }
        float d = largestScale / 31;
        BlockBytes.putHalf(out, to, d * 1.033f);
        float inverse = 1 / d;
        for (int sub = 0; sub < BLOCK / SUB; sub += 2) {
            int low = OddLevels.nearest(inverse, scales[sub], 15);
            int high = OddLevels.nearest(inverse, scales[sub + 1], 15);
            out[to + SCALES + sub / 2] = (byte) (low | high << 4);
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to, int sub) {
        Weights.roots(weight, root, SUB);
        int signs = 0;
        for (int k = 0; k < 4; k++) {
            signs |= Signs.split(row, first, x, k) << 8 * k;
        }
        float largest = Weights.largest(x, SUB);
        if (largest == 0) {
            return 0;
        }
        float scale = search.search(x, weight, root, largest, points);
        if (scale < 0) {
            scale = -scale;
            signs = ~signs;
        }
        int high = 0;
        for (int k = 0; k < 8; k++) {
            out[to + POINTS + 8 * stored + k] = (byte) points[k];
            high |= points[k] >> 8 << k;
        }
        out[to + HIGH_BITS + sub] = (byte) high;
        BlockBytes.putInt(out, to + SIGNS + 4 * stored, signs);
        stored++;
        return Weights.checked(scale);
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq3S();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int sub = 0; sub < BLOCK / SUB; sub++) {
                int step = BlockBytes.unsigned(blocks, b + SCALES + sub / 2) >> 4 * (sub & 1) & 15;
                float scale = d * (1 + 2 * step);
                int high = BlockBytes.unsigned(blocks, b + HIGH_BITS + sub);
                int o = to + block * BLOCK + sub * SUB;
                for (int k = 0; k < 8; k++) {
                    int point = BlockBytes.unsigned(blocks, b + POINTS + 8L * sub + k) | (high >> k & 1) << 8;
                    int signs = BlockBytes.unsigned(blocks, b + SIGNS + 4L * sub + k / 2) >> 4 * (k & 1);
                    grid.put(point, scale, signs, out, o + 4 * k);
                }
            }
        }
    }
}
