package dev.quern.quantization.simd;

import static dev.quern.quantization.scalar.Rounding.nearest;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.BYTES;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.GROUPS;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.HIGH;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.LENGTH;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.SCALE;
import static dev.quern.quantization.scalar.SixBitSuperBlocks.SCALES;
import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.SymmetricSearch;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Q6_K. */
public final class SimdSixBitSuperBlocks extends RowCodec {
    private static final int MAX = 32;

    private final SymmetricLanes lanes = new SymmetricLanes();
    private final float[] scales = new float[GROUPS];
    private final float[] inverses = new float[GROUPS];
    private final byte[] codes = new byte[LENGTH];

    public SimdSixBitSuperBlocks() {
        super(QuantType.Q6_K);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        for (int block = 0; block < length / LENGTH; block++) {
            int at = block * LENGTH;
            for (int group = 0; group < GROUPS; group += COUNT) {
                Transposed.gather(row, from + at + group * GROUPS, COUNT, GROUPS, lanes.x);
                if (importance == null) {
                    Weights.squares(lanes.x, GROUPS * COUNT, lanes.weights);
                } else {
                    Transposed.gather(importance, at + group * GROUPS, COUNT, GROUPS, lanes.weights);
                }
                lanes.search(GROUPS, MAX);
                System.arraycopy(lanes.scale, 0, scales, group, COUNT);
                System.arraycopy(lanes.inverse, 0, inverses, group, COUNT);
            }
            finish(row, from + at, out, to + block * BYTES);
        }
    }

    private void finish(float[] x, int from, byte[] out, int to) {
        float extreme = SymmetricSearch.extreme(scales, 0, GROUPS);
        if (Math.abs(extreme) < SymmetricSearch.ZERO) {
            Arrays.fill(out, to, to + BYTES, (byte) 0);
            return;
        }
        float inverse = -128f / extreme;
        float scale = BlockBytes.putHalf(out, to + SCALE, 1 / inverse);
        for (int group = 0; group < GROUPS; group++) {
            byte code = (byte) Math.min(127, nearest(inverse * scales[group]));
            out[to + SCALES + group] = code;
            float groupScale = scale * code;
            int at = group * GROUPS;
            if (groupScale != 0) {
                FinalCodes.divide(x, from + at, GROUPS, 0, groupScale, -MAX, MAX - 1, MAX, codes, at);
            } else {
                FinalCodes.ofSymmetricSearch(x, from + at, GROUPS, inverses[group], MAX, codes, at);
            }
        }
        for (int half = 0; half < 2; half++) {
            int at = half * 128;
            Packing.nibbles(codes, at, at + 64, out, to + half * 64);
            Packing.nibbles(codes, at + 32, at + 96, out, to + half * 64 + 32);
            Packing.pairs(codes, at, 4, out, to + HIGH + half * 32);
        }
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        SimdDecoders.sixBit(blocks, at, count, out, to);
    }
}
