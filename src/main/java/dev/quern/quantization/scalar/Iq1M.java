package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ1_M: 256 values in 56 bytes: for each eight values the low eight bits of the number of one of 2048 points; for each
 * eight values four bits: three more of the point and whether its -1, 0 and 1 are shifted down or up by an eighth; four
 * 16-bit numbers, each of four 3-bit scales (of 16 values) and, at the top, four bits of d (F16), lowest first.
 */
public final class Iq1M extends BlockwiseCodec {
    private static final int BLOCK = 256;
    private static final int SUB = 16;
    private static final int BYTES = QuantType.IQ1_M.blockBytes();
    private static final int HIGH_BITS = 32;
    private static final int SCALES = 48;
    /** Below this (GROUP_MAX_EPS_IQ1_M) a sub-block counts as zero. */
    private static final float NOTHING = 1e-7f;

    private final TernaryGrid grid;
    private final SortedSplit split = new SortedSplit(SUB);
    private final HalfShifts search;
    private final float[] weight = new float[SUB];
    private final byte[] levels = new byte[SUB];
    private final int[] points = new int[BLOCK / 8];
    private final float[] scales = new float[BLOCK / SUB];
    /** By sub-block: bit 1 is set where the first eight values are shifted down, bit 0 where the others are. */
    private final int[] shifts = new int[BLOCK / SUB];

    public Iq1M() {
        this(new HalfShifts(), new TernaryGrid(Grids.aroundIq1()));
    }

    public Iq1M(HalfShifts search, TernaryGrid grid) {
        super(QuantType.IQ1_M, Iq1M::decodeBlocks);
        this.search = search;
        this.grid = grid;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        Arrays.fill(out, to, to + BYTES, (byte) 0);
        float sigma2 = 2 * Weights.sumOfSquares(row, from, BLOCK) / BLOCK;
        float largestScale = 0;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            weigh(row, from, importance, importanceFrom, sigma2, sub);
            scales[sub] = chooseSub(row, from + sub * SUB, sub);
            largestScale = Math.max(largestScale, scales[sub]);
        }
        for (int k = 0; k < BLOCK / 8; k++) {
            out[to + k] = (byte) points[k];
            out[to + HIGH_BITS + k / 2] |= (byte) (points[k] >> 8 << 4 * (k & 1));
        }
        if (largestScale == 0) {
            return;
        }
        float d = largestScale / 15;
        float inverse = 1 / d;
        float sumXq = 0;
        float sumQq = 0;
        long packed = 0;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            int step = OddLevels.nearest(inverse, scales[sub], 7);
            packed |= (long) step << 16 * (sub / 4) + 3 * (sub % 4);
            out[to + HIGH_BITS + sub] |= (byte) ((shifts[sub] >> 1 & 1) << 3 | (shifts[sub] & 1) << 7);
            weigh(row, from, importance, importanceFrom, sigma2, sub);
            for (int i = 0; i < SUB; i++) {
                float w = weight[i];
                float q = shifted(shifts[sub], i / 8)[grid.level(points[2 * sub + i / 8], i % 8)] * (2 * step + 1);
                sumXq += w * q * row[from + sub * SUB + i];
                sumQq += w * q * q;
            }
        }
        if (sumQq > 0) {
            d = sumXq / sumQq;
        }
        int half = Float.floatToFloat16(d * 1.1125f) & 0xffff;
        for (int part = 0; part < 4; part++) {
            int scaleBits = (int) (packed >> 16 * part) & 0x0fff;
            BlockBytes.putShort(out, to + SCALES + 2 * part, scaleBits | (half >> 4 * part & 15) << 12);
        }
    }

    private void weigh(
            float[] row, int from, float @Nullable [] importance, int importanceFrom, float sigma2, int sub) {
        if (importance == null) {
            Weights.plain(row, from + sub * SUB, 0, weight, SUB);
        } else {
            Weights.important(row, from + sub * SUB, importance, importanceFrom + sub * SUB, sigma2, weight, SUB);
        }
    }

    private float chooseSub(float[] row, int first, int sub) {
        shifts[sub] = 0;
        points[2 * sub] = 0;
        points[2 * sub + 1] = 0;
        if (Weights.largestMagnitude(row, first, SUB) < NOTHING) {
            return 0;
        }
        split.sort(row, first);
        if (!search.search(row, first, weight, split.order)) {
            return 0;
        }
        boolean reversed = search.scale() < 0;
        split.levels(search.firstBound(), search.secondBound(), reversed, levels);
        int chosen = reversed ? 3 - search.shifts() : search.shifts();
        float scale = reversed ? -search.scale() : search.scale();
        boolean allOnGrid = true;
        for (int k = 0; k < 2; k++) {
            int code = TernaryGrid.code(levels, k);
            allOnGrid &= grid.isOnGrid(code);
            points[2 * sub + k] = grid.point(code, row, first + 8 * k, weight, 8 * k, scale, shifted(chosen, k));
        }
        if (!allOnGrid) {
            scale = refitted(row, first, sub, chosen, scale);
        }
        shifts[sub] = chosen;
        return Weights.checked(scale);
    }

    private float refitted(float[] row, int first, int sub, int chosen, float otherwise) {
        float sumXq = 0;
        float sumQq = 0;
        for (int i = 0; i < SUB; i++) {
            float w = weight[i];
            float q = shifted(chosen, i / 8)[grid.level(points[2 * sub + i / 8], i % 8)];
            sumXq += w * q * row[first + i];
            sumQq += w * q * q;
        }
        return sumXq > 0 && sumQq > 0 ? sumXq / sumQq : otherwise;
    }

    private static float[] shifted(int shifts, int half) {
        return (shifts >> 1 - half & 1) == 1 ? TernaryGrid.DOWN : TernaryGrid.UP;
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq1();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            int half = 0;
            for (int part = 0; part < 4; part++) {
                half |= BlockBytes.unsignedShort(blocks, b + SCALES + 2L * part) >> 12 << 4 * part;
            }
            float d = Float.float16ToFloat((short) half);
            for (int k = 0; k < BLOCK / 8; k++) {
                int step = BlockBytes.unsignedShort(blocks, b + SCALES + 2L * (k / 8)) >> 3 * (k / 2 % 4) & 7;
                int high = BlockBytes.unsigned(blocks, b + HIGH_BITS + k / 2) >> 4 * (k & 1);
                float shift = (high & 8) != 0 ? -0.125f : 0.125f;
                int point = BlockBytes.unsigned(blocks, b + k) | (high & 7) << 8;
                grid.putShifted(point, d * (2 * step + 1), shift, out, to + block * BLOCK + 8 * k);
            }
        }
    }
}
