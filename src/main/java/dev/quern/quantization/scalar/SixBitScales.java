package dev.quern.quantization.scalar;

import dev.quern.quantization.BlockBytes;
import java.lang.foreign.MemorySegment;

/** The 12 bytes in which Q4_K and Q5_K keep eight scales and eight minima of six bits ({@code get_scale_min_k4}). */
public final class SixBitScales {
    private SixBitScales() {}

    /** Packs the eight scales and minima from index {@code from} on, in ggml's way also where one exceeds six bits. */
    public static void put(byte[] scales, byte[] minima, int from, byte[] out, int to) {
        for (int i = 0; i < 4; i++) {
            int scale = scales[from + i + 4] & 0xFF;
            int minimum = minima[from + i + 4] & 0xFF;
            out[to + i] = (byte) (scales[from + i] | scale >> 4 << 6);
            out[to + 4 + i] = (byte) (minima[from + i] | minimum >> 4 << 6);
            out[to + 8 + i] = (byte) (scale & 0x0F | minimum << 4);
        }
    }

    public static int scale(byte[] packed, int at, int i) {
        return i < 4 ? packed[at + i] & 63 : packed[at + 4 + i] & 0x0F | packed[at + i - 4] >> 2 & 0x30;
    }

    public static int minimum(byte[] packed, int at, int i) {
        return i < 4 ? packed[at + 4 + i] & 63 : packed[at + 4 + i] >> 4 & 0x0F | packed[at + i] >> 2 & 0x30;
    }

    public static int scale(MemorySegment packed, long at, int i) {
        return i < 4
                ? BlockBytes.unsigned(packed, at + i) & 63
                : BlockBytes.unsigned(packed, at + 4 + i) & 0x0F | BlockBytes.unsigned(packed, at + i - 4) >> 2 & 0x30;
    }

    public static int minimum(MemorySegment packed, long at, int i) {
        return i < 4
                ? BlockBytes.unsigned(packed, at + 4 + i) & 63
                : BlockBytes.unsigned(packed, at + 4 + i) >> 4 | BlockBytes.unsigned(packed, at + i) >> 2 & 0x30;
    }
}
