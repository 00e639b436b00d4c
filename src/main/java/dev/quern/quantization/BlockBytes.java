package dev.quern.quantization;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** The scalars inside a block: little-endian and unaligned, as ggml's packed structs lie in a file. */
public final class BlockBytes {
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private BlockBytes() {}

    /**
     * The value rounded to F16 (to nearest even; beyond 65520 infinity) and stored.
     *
     * @return what a reader of the block will see
     */
    public static float putHalf(byte[] out, int at, float value) {
        short half = Float.floatToFloat16(value);
        SHORTS.set(out, at, half);
        return Float.float16ToFloat(half);
    }

    public static void putShort(byte[] out, int at, int value) {
        SHORTS.set(out, at, (short) value);
    }

    public static void putInt(byte[] out, int at, int value) {
        INTS.set(out, at, value);
    }

    public static float half(MemorySegment blocks, long at) {
        return Float.float16ToFloat(blocks.get(SHORT, at));
    }

    /** The byte at {@code at}, 0 to 255. */
    public static int unsigned(MemorySegment blocks, long at) {
        return blocks.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
    }

    /** The 16 bits at {@code at}, 0 to 65535. */
    public static int unsignedShort(MemorySegment blocks, long at) {
        return blocks.get(SHORT, at) & 0xFFFF;
    }
}
