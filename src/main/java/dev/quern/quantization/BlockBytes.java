package dev.quern.quantization;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The scalars inside a block: little-endian and unaligned, as ggml's packed structs lie in a file. They are put byte by
 * byte: C2 joins the bytes into one store (JDK-8318446), and until it has, a kernel that is not compiled yet spends less
 * on them than on a VarHandle.
 */
public final class BlockBytes {
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private BlockBytes() {}

    /**
     * The value rounded to F16 (to nearest even; beyond 65520 infinity) and stored.
     *
     * @return what a reader of the block will see
     */
    public static float putHalf(byte[] out, int at, float value) {
        short half = Float.floatToFloat16(value);
        putShort(out, at, half);
        return Float.float16ToFloat(half);
    }

    public static void putShort(byte[] out, int at, int value) {
        out[at] = (byte) value;
        out[at + 1] = (byte) (value >> 8);
    }

    public static void putInt(byte[] out, int at, int value) {
        out[at] = (byte) value;
        out[at + 1] = (byte) (value >> 8);
        out[at + 2] = (byte) (value >> 16);
        out[at + 3] = (byte) (value >> 24);
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
