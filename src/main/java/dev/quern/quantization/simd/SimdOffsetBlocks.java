package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.OffsetBlocks;
import dev.quern.quantization.scalar.ScalarCodec;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Q4_1 and Q5_1. */
public final class SimdOffsetBlocks extends RowCodec {
    private static final int LENGTH = 32;
    private final ScalarCodec scalar;
    /** The largest code: 15 or 31. */
    private final int max;

    private final OffsetLanes lanes = new OffsetLanes();
    private final float[] spread = new float[COUNT];
    private final float[] weightSums = new float[COUNT];
    private final byte[] codes = new byte[LENGTH];

    private SimdOffsetBlocks(ScalarCodec scalar, int max) {
        super(scalar.type());
        this.scalar = scalar;
        this.max = max;
    }

    public static SimdOffsetBlocks fourBit() {
        return new SimdOffsetBlocks(OffsetBlocks.fourBit(), 15);
    }

    public static SimdOffsetBlocks fiveBit() {
        return new SimdOffsetBlocks(OffsetBlocks.fiveBit(), 31);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        if (importance != null) {
            encodeImportant(row, from, length, importance, out, to);
            return;
        }
        int bytes = type().blockBytes();
        for (int block = 0; block < length / LENGTH; block++) {
            encodeBlock(row, from + block * LENGTH, out, to + block * bytes);
        }
    }

    private void encodeImportant(float[] row, int from, int length, float[] importance, byte[] out, int to) {
        int blocks = length / LENGTH;
        float meanSquare = ScalarCodec.sumOfSquares(row, from, length) / length;
        Arrays.fill(spread, meanSquare);
        for (int block = 0; block < blocks; block += COUNT) {
            int count = Math.min(COUNT, blocks - block);
            int at = block * LENGTH;
            Transposed.gather(row, from + at, count, LENGTH, lanes.x);
            Transposed.gather(importance, at, count, LENGTH, lanes.weights);
            Weights.important(lanes.x, LENGTH * COUNT, spread, lanes.weights, weightSums, 0);
            int odd = lanes.search(LENGTH, max, -0.9f, 0.05f, 36, false);
            for (int i = 0; i < count; i++) {
                int first = at + i * LENGTH;
                int target = to + (block + i) * type().blockBytes();
                if ((odd >> i & 1) == 0) {
                    put(row, from + first, i, out, target);
                } else {
                    scalar.encodeBlock(row, from + first, importance, first, meanSquare, out, target);
                }
            }
        }
    }

    private void put(float[] x, int from, int lane, byte[] out, int to) {
        BlockBytes.putHalf(out, to, lanes.scale[lane]);
        BlockBytes.putHalf(out, to + 2, lanes.minimum[lane]);
        FinalCodes.ofOffsetSearch(x, from, LENGTH, lanes.bestInverse[lane], lanes.bestBase[lane], max, codes, 0);
        int nibbles = to + 4;
        if (max == 31) {
            Packing.fifthBits(codes, 0, out, nibbles);
            nibbles += 4;
        }
        Packing.block(codes, 0, out, nibbles);
    }

    private void encodeBlock(float[] x, int from, byte[] out, int to) {
        float min = Extremes.least(x, from);
        float scale = (Extremes.most(x, from) - min) / max;
        float inverse = scale != 0 ? 1 / scale : 0;
        if (!(scale <= Float.MAX_VALUE && inverse <= Float.MAX_VALUE)) {
            scalar.encodeBlock(x, from, out, to);
            return;
        }
        BlockBytes.putHalf(out, to, scale);
        BlockBytes.putHalf(out, to + 2, min);
        if (max == 15) {
            CutCodes.putFourBits(x, from, min, inverse, 0.5f, out, to + 4);
            CutCodes.putFourBits(x, from + 8, min, inverse, 0.5f, out, to + 12);
        } else {
            int first = CutCodes.putFiveBits(x, from, min, inverse, 0.5f, out, to + 8);
            int second = CutCodes.putFiveBits(x, from + 8, min, inverse, 0.5f, out, to + 16);
            BlockBytes.putInt(out, to + 4, first | second << 8);
        }
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        scalar.dequantize(blocks, at, count, out, to);
    }
}
