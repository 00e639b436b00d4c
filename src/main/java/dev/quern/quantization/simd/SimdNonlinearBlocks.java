package dev.quern.quantization.simd;

import static dev.quern.quantization.scalar.NonlinearBlocks.CODES;
import static dev.quern.quantization.scalar.NonlinearBlocks.LOWER_SCALES;
import static dev.quern.quantization.scalar.NonlinearBlocks.UPPER_SCALES;
import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.NonlinearBlocks;
import dev.quern.quantization.scalar.Rounding;
import dev.quern.quantization.scalar.ScalarCodec;
import dev.quern.quantization.scalar.SymmetricSearch;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** IQ4_NL, eight blocks at a time, and IQ4_XS, whose super-block is eight groups. */
public final class SimdNonlinearBlocks extends RowCodec {
    private static final int GROUP = 32;

    private final ScalarCodec scalar;
    private final NonlinearLanes lanes = new NonlinearLanes();
    private final float[] spread = new float[COUNT];
    private final float[] weightSums = new float[COUNT];
    private final byte[] codes = new byte[GROUP];

    private SimdNonlinearBlocks(ScalarCodec scalar) {
        super(scalar.type());
        this.scalar = scalar;
    }

    public static SimdNonlinearBlocks blocks() {
        return new SimdNonlinearBlocks(NonlinearBlocks.blocks());
    }

    public static SimdNonlinearBlocks superBlocks() {
        return new SimdNonlinearBlocks(NonlinearBlocks.superBlocks());
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int groups = length / GROUP;
        for (int group = 0; group < groups; group += COUNT) {
            int count = Math.min(COUNT, groups - group);
            int at = group * GROUP;
            Transposed.gather(row, from + at, count, GROUP, lanes.x);
            if (importance == null) {
                Weights.squares(lanes.x, GROUP * COUNT, lanes.weights);
            } else {
                Transposed.gather(importance, at, count, GROUP, lanes.weights);
                spreadSquares(row, from + at);
                Weights.important(lanes.x, GROUP * COUNT, spread, lanes.weights, weightSums, 0);
            }
            lanes.search();
            if (type() == QuantType.IQ4_XS) {
                putSuperBlock(row, from + at, out, to + at / type().blockLength() * type().blockBytes());
            } else {
                for (int lane = 0; lane < count; lane++) {
                    int block = group + lane;
                    putBlock(row, from + block * GROUP, lanes.scale[lane], out, to + block * type().blockBytes());
                }
            }
        }
    }

    /** What weights of a block's values are raised by: of IQ4_NL the mean square of each lane, of IQ4_XS that of all. */
    private void spreadSquares(float[] row, int from) {
        if (type() == QuantType.IQ4_XS) {
            Arrays.fill(spread, ScalarCodec.sumOfSquares(row, from, GROUP * COUNT) * (2f / (GROUP * COUNT)));
        } else {
            Weights.meanSquares(lanes.x, GROUP, 2f / GROUP, spread);
        }
    }

    private void putBlock(float[] x, int from, float scale, byte[] out, int to) {
        BlockBytes.putHalf(out, to, scale);
        lanes.putCodes(x, from, scale != 0 ? 1 / scale : 0, codes, 0);
        Packing.block(codes, 0, out, to + 2);
    }

    private void putSuperBlock(float[] x, int from, byte[] out, int to) {
        float scale = -SymmetricSearch.extreme(lanes.scale, 0, COUNT) / 32;
        float inverse = scale != 0 ? 1 / scale : 0;
        BlockBytes.putHalf(out, to, scale);
        int upper = 0;
        int lower = 0;
        for (int group = 0; group < COUNT; group++) {
            int code = Rounding.clamp(Rounding.nearest(inverse * lanes.scale[group]), -32, 31);
            float groupScale = scale * code;
            lanes.putCodes(x, from + group * GROUP, groupScale != 0 ? 1 / groupScale : 0, codes, 0);
            Packing.block(codes, 0, out, to + CODES + group * GROUP / 2);
            lower |= (code + 32 & 0x0F) << 4 * group;
            upper |= code + 32 >> 4 << 2 * group;
        }
        BlockBytes.putShort(out, to + UPPER_SCALES, upper);
        BlockBytes.putInt(out, to + LOWER_SCALES, lower);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        scalar.dequantize(blocks, at, count, out, to);
    }
}
