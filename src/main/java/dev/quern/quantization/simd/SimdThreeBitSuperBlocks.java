package dev.quern.quantization.simd;

import static dev.quern.quantization.scalar.Rounding.clamp;
import static dev.quern.quantization.scalar.Rounding.nearest;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.BYTES;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.CODES;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.GROUPS;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.LENGTH;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.SCALE;
import static dev.quern.quantization.scalar.ThreeBitSuperBlocks.SCALES;
import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.SymmetricSearch;
import dev.quern.quantization.scalar.ThreeBitSuperBlocks;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Q3_K. */
public final class SimdThreeBitSuperBlocks extends RowCodec {
    private static final int MAX = 4;
    private static final int SCALE_MAX = 32;

    private final ThreeBitSuperBlocks scalar = new ThreeBitSuperBlocks();
    private final RefinedLanes refined = new RefinedLanes();
    private final SymmetricLanes lanes = new SymmetricLanes();
    private final float[] spread = new float[COUNT];
    private final byte[] codes = new byte[LENGTH];
    private final byte[] scaleCodes = new byte[GROUPS];

    // One element a group, or a super-block, of the row.
    private float[] scales = new float[GROUPS];
    private float[] inverses = {};
    private float[] weightSums = {};
    private float[] squares = {};
    private float[] blockScales = {};
    private float[] blockInverses = {};

    public SimdThreeBitSuperBlocks() {
        super(QuantType.Q3_K);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int blocks = length / LENGTH;
        if (importance == null) {
            for (int block = 0; block < blocks; block++) {
                encodePlain(row, from + block * LENGTH, out, to + block * BYTES);
            }
            return;
        }
        reserve(blocks);
        SumsOfSquares.of(row, from, LENGTH, blocks, squares);
        for (int block = 0; block < blocks; block++) {
            Arrays.fill(spread, 2 * squares[block] / LENGTH);
            search(row, from + block * LENGTH, importance, block);
        }
        for (int block = 0; block < blocks; block += COUNT) {
            searchScales(block, Math.min(COUNT, blocks - block));
        }
        for (int block = 0; block < blocks; block++) {
            int at = from + block * LENGTH;
            if (scalesAreFinite(block)) {
                finish(row, at, block, out, to + block * BYTES);
            } else {
                scalar.encodeBlock(row, at, importance, block * LENGTH, 0, out, to + block * BYTES);
            }
        }
    }

    private void reserve(int blocks) {
        if (squares.length < blocks) {
            scales = new float[blocks * GROUPS];
            inverses = new float[blocks * GROUPS];
            weightSums = new float[blocks * GROUPS];
            squares = new float[blocks];
            blockScales = new float[blocks];
            blockInverses = new float[blocks];
        }
    }

    private void encodePlain(float[] x, int from, byte[] out, int to) {
        for (int group = 0; group < GROUPS; group += COUNT) {
            Transposed.gather(x, from + group * GROUPS, COUNT, GROUPS, refined.x);
            refined.search(GROUPS, MAX);
            System.arraycopy(refined.scale, 0, scales, group, COUNT);
            keepCodes(group);
        }
        float extreme = SymmetricSearch.extreme(scales, 0, GROUPS);
        if (extreme == 0) {
            Arrays.fill(scaleCodes, (byte) 0);
            put(x, from, 0, out, to);
            return;
        }
        float inverse = -32f / extreme;
        for (int group = 0; group < GROUPS; group++) {
            scaleCodes[group] = (byte) (clamp((byte) nearest(inverse * scales[group]), -32, 31) + 32);
        }
        put(x, from, 1 / inverse, out, to);
    }

    private void keepCodes(int firstGroup) {
        for (int lane = 0; lane < COUNT; lane++) {
            int bias = refined.isZero(lane) ? 0 : MAX;
            for (int i = 0; i < GROUPS; i++) {
                int code = bias == 0 ? 0 : (int) refined.codes[i * COUNT + lane] + bias;
                codes[(firstGroup + lane) * GROUPS + i] = (byte) code;
            }
        }
    }

    private void search(float[] row, int from, float[] importance, int block) {
        for (int group = 0; group < GROUPS; group += COUNT) {
            int at = group * GROUPS;
            int index = block * GROUPS + group;
            Transposed.gather(row, from + at, COUNT, GROUPS, lanes.x);
            Transposed.gather(importance, block * LENGTH + at, COUNT, GROUPS, lanes.weights);
            Weights.important(lanes.x, GROUPS * COUNT, spread, lanes.weights, weightSums, index);
            lanes.search(GROUPS, MAX);
            System.arraycopy(lanes.scale, 0, scales, index, COUNT);
            System.arraycopy(lanes.inverse, 0, inverses, index, COUNT);
        }
    }

    private void searchScales(int block, int count) {
        Transposed.gather(scales, block * GROUPS, count, GROUPS, lanes.x);
        Transposed.gather(weightSums, block * GROUPS, count, GROUPS, lanes.weights);
        lanes.search(GROUPS, SCALE_MAX);
        System.arraycopy(lanes.scale, 0, blockScales, block, count);
        System.arraycopy(lanes.inverse, 0, blockInverses, block, count);
    }

    /** Otherwise values to be rounded are no longer bounded by the extreme, and the scalar codec must do it. */
    private boolean scalesAreFinite(int block) {
        for (int i = block * GROUPS; i < (block + 1) * GROUPS; i++) {
            if (!(Math.abs(scales[i]) <= Float.MAX_VALUE)) {
                return false;
            }
        }
        return true;
    }

    private void finish(float[] x, int from, int block, byte[] out, int to) {
        FinalCodes.ofSymmetricSearch(scales, block * GROUPS, GROUPS, blockInverses[block], SCALE_MAX, scaleCodes, 0);
        float stored = Float.float16ToFloat(Float.floatToFloat16(blockScales[block]));
        for (int group = 0; group < GROUPS; group++) {
            if (stored * (scaleCodes[group] - 32) == 0) {
                int at = group * GROUPS;
                float inverse = inverses[block * GROUPS + group];
                FinalCodes.ofSymmetricSearch(x, from + at, GROUPS, inverse, MAX, codes, at);
            }
        }
        put(x, from, blockScales[block], out, to);
    }

    /** Chooses the codes anew for what the scale has become, where it is not zero, and lays the block out. */
    private void put(float[] x, int from, float scale, byte[] out, int to) {
        float stored = BlockBytes.putHalf(out, to + SCALE, scale);
        ThreeBitSuperBlocks.putScales(scaleCodes, out, to + SCALES);
        for (int group = 0; group < GROUPS; group++) {
            float groupScale = stored * (scaleCodes[group] - 32);
            if (groupScale != 0) {
                int at = group * GROUPS;
                FinalCodes.divide(x, from + at, GROUPS, 0, groupScale, -MAX, MAX - 1, MAX, codes, at);
            }
        }
        Packing.bits(codes, 2, out, to);
        Packing.pairs(codes, 0, 0, out, to + CODES);
        Packing.pairs(codes, 128, 0, out, to + CODES + 32);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        ThreeBitSuperBlocks.decodeBlocks(blocks, at, count, out, to);
    }
}
