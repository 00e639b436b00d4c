package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.lattice.Grid;
import dev.quern.quantization.lattice.Grids;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * IQ1_S: 256 values in 50 bytes: d (F16); for each eight values the low eight bits of the number of one of 2048 points;
 * for each 32 values 16 bits: three more for each of the four points, a 3-bit scale, and whether the points, of -1, 0
 * and 1, are shifted down or up by an eighth. Needs importance.
 */
public final class Iq1S extends BlockwiseCodec {
    private static final int BLOCK = 256;
    private static final int SUB = 32;
    private static final int BYTES = QuantType.IQ1_S.blockBytes();
    private static final int POINTS = 2;
    private static final int HIGH_BITS = 34;
    /** Below this (GROUP_MAX_EPS_IQ1_S) a sub-block counts as zero. */
    private static final float NOTHING = 1e-12f;

    private final TernaryGrid grid;
    private final SortedSplit split = new SortedSplit(SUB);
    private final SharedShift shift;
    private final float[] weight = new float[SUB];
    private final byte[] levels = new byte[SUB];
    private final int[] points = new int[SUB / 8];
    private final float[] scales = new float[BLOCK / SUB];
    private final boolean[] down = new boolean[BLOCK / SUB];

    public Iq1S() {
        this(new SharedShift(), new TernaryGrid(Grids.aroundIq1()));
    }

    public Iq1S(SharedShift shift, TernaryGrid grid) {
        super(QuantType.IQ1_S, Iq1S::decodeBlocks);
        this.shift = shift;
        this.grid = grid;
    }

    @Override
    void encodeBlock(float[] row, int from, float @Nullable [] importance, int importanceFrom, byte[] out, int to) {
        float[] needed = Weights.needed(importance, type());
        Arrays.fill(out, to, to + BYTES, (byte) 0);
        float sigma2 = 2 * Weights.sumOfSquares(row, from, BLOCK) / BLOCK;
        float largestScale = 0;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            int first = from + sub * SUB;
            Weights.important(row, first, needed, importanceFrom + sub * SUB, sigma2, weight, SUB);
            scales[sub] = encodeSub(row, first, out, to, sub);
            largestScale = Math.max(largestScale, scales[sub]);
        }
        if (largestScale == 0) {
            return;
        }
        float d = largestScale / 15;
        BlockBytes.putHalf(out, to, d * 1.125f);
        float inverse = 1 / d;
        for (int sub = 0; sub < BLOCK / SUB; sub++) {
            int step = OddLevels.nearest(inverse, scales[sub], 7) | (down[sub] ? 8 : 0);
            out[to + HIGH_BITS + 2 * sub + 1] |= (byte) (step << 4);
        }
    }

    private float encodeSub(float[] row, int first, byte[] out, int to, int sub) {
        down[sub] = false;
        if (Weights.largestMagnitude(row, first, SUB) < NOTHING) {
            return 0;
        }
        split.sort(row, first);
        if (!shift.search(row, first, weight, split.order)) {
            return 0;
        }
        boolean reversed = shift.scale() < 0;
        split.levels(shift.firstBound(), shift.secondBound(), reversed, levels);
        boolean shiftedDown = shift.isDown() != reversed;
        float[] shifted = shiftedDown ? TernaryGrid.DOWN : TernaryGrid.UP;
        float scale = reversed ? -shift.scale() : shift.scale();
        boolean allOnGrid = true;
        for (int k = 0; k < SUB / 8; k++) {
            int code = TernaryGrid.code(levels, k);
            allOnGrid &= grid.isOnGrid(code);
            points[k] = grid.point(code, row, first + 8 * k, weight, 8 * k, scale, shifted);
        }
        if (!allOnGrid) {
            scale = refitted(row, first, shifted, scale);
        }
        int high = 0;
        for (int k = 0; k < SUB / 8; k++) {
            out[to + POINTS + 4 * sub + k] = (byte) points[k];
            high |= points[k] >> 8 << 3 * k;
        }
        BlockBytes.putShort(out, to + HIGH_BITS + 2 * sub, high);
        down[sub] = shiftedDown;
        return Weights.checked(scale);
    }

    private float refitted(float[] row, int first, float[] shifted, float otherwise) {
        float sumXq = 0;
        float sumQq = 0;
        for (int i = 0; i < SUB; i++) {
            float w = weight[i];
            float q = shifted[grid.level(points[i / 8], i % 8)];
            sumXq += w * q * row[first + i];
            sumQq += w * q * q;
        }
        return sumXq > 0 && sumQq > 0 ? sumXq / sumQq : otherwise;
    }

    public static void decodeBlocks(MemorySegment blocks, long at, int count, float[] out, int to) {
        Grid grid = Grids.iq1();
        for (int block = 0; block < count / BLOCK; block++) {
            long b = at + (long) block * BYTES;
            float d = BlockBytes.half(blocks, b);
            for (int sub = 0; sub < BLOCK / SUB; sub++) {
                int high = BlockBytes.unsignedShort(blocks, b + HIGH_BITS + 2L * sub);
                float scale = d * (2 * (high >> 12 & 7) + 1);
                float shift = (high & 0x8000) != 0 ? -0.125f : 0.125f;
                for (int k = 0; k < SUB / 8; k++) {
                    int point = BlockBytes.unsigned(blocks, b + POINTS + 4L * sub + k) | (high >> 3 * k & 7) << 8;
                    grid.putShifted(point, scale, shift, out, to + block * BLOCK + sub * SUB + 8 * k);
                }
            }
        }
    }
}
