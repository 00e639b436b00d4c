package dev.quern.tensor;

import dev.quern.io.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Elements of every checkpoint type as floats: exact where the type fits a float, otherwise rounded to the nearest. */
public final class Elements {
    /** Commands that do no arithmetic run without the module; some hold tensors against each other all the same. */
    private static final boolean LANES =
            ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();

    private Elements() {}

    /** Decodes {@code count} elements, in whichever byte order, that begin at byte {@code at} of {@code source}. */
    public static void decode(
            DType dtype, ByteOrder order, MemorySegment source, long at, int count, float[] out, int to) {
        if (order == ByteOrder.LITTLE_ENDIAN || dtype.bytes() == 1) {
            decode(dtype, source, at, count, out, to);
            return;
        }
        byte[] swapped = source.asSlice(at, (long) count * dtype.bytes()).toArray(ValueLayout.JAVA_BYTE);
        swap(swapped, swapped.length, dtype.bytes());
        decode(dtype, MemorySegment.ofArray(swapped), 0, count, out, to);
    }

    /** Turns each of the numbers of {@code width} bytes, in the first {@code length} bytes, around. */
    public static void swap(byte[] bytes, int length, int width) {
        for (int at = 0; at + width <= length; at += width) {
            for (int low = at, high = at + width - 1; low < high; low++, high--) {
                byte kept = bytes[low];
                bytes[low] = bytes[high];
                bytes[high] = kept;
            }
        }
    }

    /** Decodes {@code count} little-endian elements that begin at byte {@code at} of {@code source}. */
    public static void decode(DType dtype, MemorySegment source, long at, int count, float[] out, int to) {
        switch (dtype) {
            case F32 -> MemorySegment.copy(source, Region.FLOAT, at, out, to, count);
            case F16 -> half(source, at, count, out, to);
            case BF16 -> bfloat(source, at, count, out, to);
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = (float) source.get(Region.DOUBLE, at + 8L * i);
                }
            }
            case F8_E4M3 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = float8e4m3(source.get(ValueLayout.JAVA_BYTE, at + i) & 0xff);
                }
            }
            case F8_E5M2 -> {
                // E5M2 is the upper byte of a half.
                for (int i = 0; i < count; i++) {
                    out[to + i] = Float.float16ToFloat((short) (source.get(ValueLayout.JAVA_BYTE, at + i) << 8));
                }
            }
            case F8_E4M3FNUZ -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = float8fnuz(source.get(ValueLayout.JAVA_BYTE, at + i) & 0xff, 3);
                }
            }
            case F8_E5M2FNUZ -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = float8fnuz(source.get(ValueLayout.JAVA_BYTE, at + i) & 0xff, 2);
                }
            }
            case F8_E8M0 -> {
                for (int i = 0; i < count; i++) {
                    int exponent = source.get(ValueLayout.JAVA_BYTE, at + i) & 0xff;
                    out[to + i] = exponent == 0xff ? Float.NaN : Math.scalb(1f, exponent - 127);
                }
            }
            case I64 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(Region.LONG, at + 8L * i);
                }
            }
            case U64 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = unsigned(source.get(Region.LONG, at + 8L * i));
                }
            }
            case I32 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(Region.INT, at + 4L * i);
                }
            }
            case U32 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(Region.INT, at + 4L * i) & 0xffff_ffffL;
                }
            }
            case I16 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(Region.SHORT, at + 2L * i);
                }
            }
            case U16 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(Region.SHORT, at + 2L * i) & 0xffff;
                }
            }
            case I8 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(ValueLayout.JAVA_BYTE, at + i);
                }
            }
            case BOOL -> {
                // Torch and numpy write 0 and 1; any other byte is true, as it is to them.
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(ValueLayout.JAVA_BYTE, at + i) == 0 ? 0 : 1;
                }
            }
            case U8 -> {
                for (int i = 0; i < count; i++) {
                    out[to + i] = source.get(ValueLayout.JAVA_BYTE, at + i) & 0xff;
                }
            }
        }
    }

    /** C2 turns this loop into vcvtph2ps straight from the segment; a copy to short[] first is slower. */
    private static void half(MemorySegment source, long at, int count, float[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i] = Float.float16ToFloat(source.get(Region.SHORT, at + 2L * i));
        }
    }

    /** A bfloat16 is the upper half of a float. */
    private static void bfloat(MemorySegment source, long at, int count, float[] out, int to) {
        int i = LANES ? BfloatLanes.decode(source, at, count, out, to) : 0;
        for (; i < count; i++) {
            out[to + i] = Float.intBitsToFloat(source.get(Region.SHORT, at + 2L * i) << 16);
        }
    }

    /** OCP 8-bit E4M3 ("FN"): bias 7, no infinities, 0x7f and 0xff are NaN. */
    private static float float8e4m3(int bits) {
        int exponent = bits >> 3 & 15;
        int mantissa = bits & 7;
        float magnitude;
        if (exponent == 15 && mantissa == 7) {
            magnitude = Float.NaN;
        } else if (exponent == 0) {
            magnitude = mantissa * 0x1p-9f;
        } else {
            magnitude = Math.scalb(1 + mantissa / 8f, exponent - 7);
        }
        return (bits & 0x80) == 0 ? magnitude : -magnitude;
    }

    /**
     * The 8-bit types without infinities and without a negative zero ("FNUZ", AMD and Graphcore, as torch has them):
     * the bias is one more than IEEE's would be, and the bits of -0 are the only NaN.
     */
    private static float float8fnuz(int bits, int mantissaBits) {
        if (bits == 0x80) {
            return Float.NaN;
        }
        int bias = 1 << 6 - mantissaBits;
        int exponent = (bits & 0x7f) >> mantissaBits;
        float fraction = (bits & (1 << mantissaBits) - 1) / (float) (1 << mantissaBits);
        float magnitude = exponent == 0 ? Math.scalb(fraction, 1 - bias) : Math.scalb(1 + fraction, exponent - bias);
        return (bits & 0x80) == 0 ? magnitude : -magnitude;
    }

    private static float unsigned(long value) {
        // Halving with a sticky last bit keeps round-to-nearest right above 2^63.
        return value >= 0 ? value : 2f * (value >>> 1 | value & 1);
    }
}
