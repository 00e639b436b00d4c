package dev.quern.quantization.scalar;

import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Little-endian pieces of blocks, and the two roundings that ggml-quants.c uses. */
final class Blocks {
    private Blocks() {}

    static int u8(MemorySegment blocks, long at) {
        return blocks.get(ValueLayout.JAVA_BYTE, at) & 0xff;
    }

    static int u16(MemorySegment blocks, long at) {
        return blocks.get(Region.SHORT, at) & 0xffff;
    }

    static int u32(MemorySegment blocks, long at) {
        return blocks.get(Region.INT, at);
    }

    static float f16(MemorySegment blocks, long at) {
        return Float.float16ToFloat(blocks.get(Region.SHORT, at));
    }

    static void putU16(byte[] out, int at, int value) {
        out[at] = (byte) value;
        out[at + 1] = (byte) (value >> 8);
    }

    static void putU32(byte[] out, int at, int value) {
        putU16(out, at, value);
        putU16(out, at + 2, value >> 16);
    }

    static void putF16(byte[] out, int at, float value) {
        putU16(out, at, Float.floatToFloat16(value));
    }

    /**
     * ggml's nearest_int: to the nearest integer, ties to even, by adding 1.5 · 2²³. What it makes of values beyond
     * ±2²² is no rounding, but is what ggml makes of them.
     */
    static int nearest(float value) {
        return (Float.floatToRawIntBits(value + 12582912f) & 0x007fffff) - 0x00400000;
    }

    /** The step nearest to a sub-block's scale, where step l stands for d · (2l + 1) and {@code inverse} is 1 / d. */
    static int oddStep(float inverse, float scale, int largest) {
        return Math.clamp(nearest(0.5f * (inverse * scale - 1)), 0, largest);
    }
}
