package dev.quern.quantization.simd;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.FloatTypes;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/** BF16. (F16 needs no class of its own: the compiler makes vectors of the scalar loop.) */
public final class SimdBFloat16 extends RowCodec {
    public SimdBFloat16() {
        super(QuantType.BF16);
    }

    @Override
    protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int whole = length - length % Lanes.COUNT;
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            putRounded(row, from + i, out, to + 2 * i);
        }
        for (int i = whole; i < length; i++) {
            BlockBytes.putShort(out, to + 2 * i, FloatTypes.toBFloat16(row[from + i]));
        }
    }

    private static void putRounded(float[] x, int from, byte[] out, int to) {
        IntVector bits = FloatVector.fromArray(Lanes.FLOATS, x, from).reinterpretAsInts();
        IntVector upper = bits.lanewise(VectorOperators.LSHR, 16);
        IntVector nearest = bits.add(0x7fff).add(upper.and(1)).lanewise(VectorOperators.LSHR, 16);
        VectorMask<Integer> nan = bits.and(0x7fffffff).compare(VectorOperators.GT, 0x7f800000);
        ShortVector halves =
                (ShortVector) nearest.blend(upper.or(64), nan).convertShape(VectorOperators.I2S, Lanes.SHORTS, 0);
        halves.reinterpretAsBytes().intoArray(out, to);
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        decodeRow(blocks, at, count, out, to);
    }

    public static void decodeRow(MemorySegment blocks, long at, int count, float[] out, int to) {
        int whole = count - count % Lanes.COUNT;
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            ShortVector halves =
                    ShortVector.fromMemorySegment(Lanes.SHORTS, blocks, at + 2L * i, ByteOrder.LITTLE_ENDIAN);
            IntVector bits = (IntVector) halves.convertShape(VectorOperators.S2I, Lanes.INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, to + i);
        }
        FloatTypes.decodeBF16(blocks, at + 2L * whole, count - whole, out, to + whole);
    }
}
