package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.RowCodec;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** F32, F16 and BF16 rows: one value, one element. */
public final class FloatTypes {
    private FloatTypes() {}

    /** F32, as it is. */
    public static final class F32 extends RowCodec {
        public F32() {
            super(QuantType.F32);
        }

        @Override
        protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
            // Not MemorySegment.copy: the view of the array is an object for each row, unless the compiler sees through
            // it.
            for (int i = 0; i < length; i++) {
                BlockBytes.putInt(out, to + Float.BYTES * i, Float.floatToRawIntBits(row[from + i]));
            }
        }

        @Override
        protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
            decodeF32(blocks, at, count, out, to);
        }
    }

    /** F16, rounded to nearest even; what is too large becomes infinity ({@code GGML_FP32_TO_FP16}). */
    public static final class F16 extends RowCodec {
        public F16() {
            super(QuantType.F16);
        }

        @Override
        protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
            for (int i = 0; i < length; i++) {
                BlockBytes.putShort(out, to + 2 * i, Float.floatToFloat16(row[from + i]));
            }
        }

        @Override
        protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
            decodeF16(blocks, at, count, out, to);
        }
    }

    /** BF16, rounded to nearest even; subnormals stay ({@code ggml_compute_fp32_to_bf16}). */
    public static final class BF16 extends RowCodec {
        public BF16() {
            super(QuantType.BF16);
        }

        @Override
        protected void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
            for (int i = 0; i < length; i++) {
                BlockBytes.putShort(out, to + 2 * i, toBFloat16(row[from + i]));
            }
        }

        @Override
        protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
            decodeBF16(blocks, at, count, out, to);
        }
    }

    /** The upper half of the float's bits, rounded to nearest even; a NaN stays one by its quiet bit. */
    public static int toBFloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & 0x7fffffff) > 0x7f800000) {
            return (bits >>> 16) | 64;
        }
        return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    }

    public static void decodeF32(MemorySegment values, long at, int count, float[] out, int to) {
        MemorySegment.copy(values, BlockBytes.FLOAT, at, out, to, count);
    }

    public static void decodeF16(MemorySegment values, long at, int count, float[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i] = BlockBytes.half(values, at + 2L * i);
        }
    }

    public static void decodeBF16(MemorySegment values, long at, int count, float[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i] = Float.intBitsToFloat(values.get(BlockBytes.SHORT, at + 2L * i) << 16);
        }
    }
}
