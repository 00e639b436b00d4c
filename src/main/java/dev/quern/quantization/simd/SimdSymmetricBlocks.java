package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.ScalarCodec;
import dev.quern.quantization.scalar.SymmetricBlocks;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Q4_0 and Q5_0. */
public final class SimdSymmetricBlocks extends RowCodec {
    private static final int LENGTH = 32;
    private final ScalarCodec scalar;
    /** Half the number of codes: 8 or 16. */
    private final int max;

    private final SymmetricLanes lanes = new SymmetricLanes();
    private final float[] spread = new float[COUNT];
    private final float[] weightSums = new float[COUNT];
    private final byte[] codes = new byte[LENGTH];

    private SimdSymmetricBlocks(ScalarCodec scalar, int max) {
        super(scalar.type());
        this.scalar = scalar;
        this.max = max;
    }

    public static SimdSymmetricBlocks fourBit() {
        return new SimdSymmetricBlocks(SymmetricBlocks.fourBit(), 8);
    }

    public static SimdSymmetricBlocks fiveBit() {
        return new SimdSymmetricBlocks(SymmetricBlocks.fiveBit(), 16);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        if (importance != null) {
            encodeImportant(row, from, length, importance, out, to);
            return;
        }
        int bytes = type().blockBytes();
        for (int block = 0; block < length / LENGTH; block++) {
            if (max == 16) {
                encodeFiveBit(row, from + block * LENGTH, out, to + block * bytes);
            } else {
                encodeFourBit(row, from + block * LENGTH, out, to + block * bytes);
            }
        }
    }

    private void encodeImportant(float[] row, int from, int length, float[] importance, byte[] out, int to) {
        int blocks = length / LENGTH;
        Arrays.fill(spread, ScalarCodec.sumOfSquares(row, from, length) / length);
        for (int block = 0; block < blocks; block += COUNT) {
            int count = Math.min(COUNT, blocks - block);
            int at = block * LENGTH;
            Transposed.gather(row, from + at, count, LENGTH, lanes.x);
            Transposed.gather(importance, at, count, LENGTH, lanes.weights);
            Weights.important(lanes.x, LENGTH * COUNT, spread, lanes.weights, weightSums, 0);
            lanes.search(LENGTH, max);
            for (int i = 0; i < count; i++) {
                put(row, from + at + i * LENGTH, i, out, to + (block + i) * type().blockBytes());
            }
        }
    }

    private void put(float[] x, int from, int lane, byte[] out, int to) {
        BlockBytes.putHalf(out, to, lanes.scale[lane]);
        FinalCodes.ofSymmetricSearch(x, from, LENGTH, lanes.inverse[lane], max, codes, 0);
        int nibbles = to + 2;
        if (max == 16) {
            Packing.fifthBits(codes, 0, out, nibbles);
            nibbles += 4;
        }
        Packing.block(codes, 0, out, nibbles);
    }

    private void encodeFourBit(float[] x, int from, byte[] out, int to) {
        float scale = Extremes.extreme(x, from) / -8;
        float inverse = scale != 0 ? 1 / scale : 0;
        if (Math.abs(inverse) > Float.MAX_VALUE) {
            scalar.encodeBlock(x, from, out, to);
            return;
        }
        BlockBytes.putHalf(out, to, scale);
        CutCodes.putFourBits(x, from, 0, inverse, 8.5f, out, to + 2);
        CutCodes.putFourBits(x, from + 8, 0, inverse, 8.5f, out, to + 10);
    }

    private void encodeFiveBit(float[] x, int from, byte[] out, int to) {
        float scale = Extremes.extreme(x, from) / -16;
        float inverse = scale != 0 ? 1 / scale : 0;
        if (Math.abs(inverse) > Float.MAX_VALUE) {
            scalar.encodeBlock(x, from, out, to);
            return;
        }
        BlockBytes.putHalf(out, to, scale);
        int first = CutCodes.putFiveBits(x, from, 0, inverse, 16.5f, out, to + 6);
        int second = CutCodes.putFiveBits(x, from + 8, 0, inverse, 16.5f, out, to + 14);
        BlockBytes.putInt(out, to + 2, first | second << 8);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        if (max == 8) {
            SimdDecoders.symmetricFourBit(blocks, at, count, out, to);
        } else {
            SymmetricBlocks.decodeFiveBit(blocks, at, count, out, to);
        }
    }
}
