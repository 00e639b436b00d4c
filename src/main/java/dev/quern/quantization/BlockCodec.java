package dev.quern.quantization;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Encodes and decodes rows of one block type. The bytes are those of ggml's reference quantizers in the pinned
 * llama.cpp build (x86-64, no FMA contraction). An instance owns its scratch: one thread, one instance.
 */
public interface BlockCodec {
    QuantType type();

    /**
     * Quantizes one row.
     *
     * @param row values; finite
     * @param from index of the row's first value
     * @param length values in the row, a multiple of the type's block length
     * @param importance one weight for each of the row's values (from index 0), or null; types that use none ignore it
     * @param out receives {@code type().bytesFor(length)} bytes from index {@code to} on
     */
    void quantize(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to);

    /** Decodes {@code count} values (whole blocks) that begin at byte {@code at} of {@code blocks}. */
    void dequantize(MemorySegment blocks, long at, int count, float[] out, int to);
}
