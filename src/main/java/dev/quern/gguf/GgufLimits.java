package dev.quern.gguf;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;

/**
 * The numbers a GGUF file may not exceed, for reader and writer alike. Where ggml has a limit (gguf.cpp, ggml.h) ours
 * is that one or a smaller one that real files stay far below.
 */
final class GgufLimits {
    static final int MAGIC = 0x46554747; // "GGUF", little-endian
    static final int VERSION = 3;
    static final String ALIGNMENT_KEY = "general.alignment";
    static final int DEFAULT_ALIGNMENT = 32;
    /** ggml has no upper bound, which made padding overflow (oss-security 2026-05-15). No page is larger. */
    static final int MAX_ALIGNMENT = 1 << 20;
    /** Real files have some dozens of keys. */
    static final int MAX_KEYS = 65_536;
    /** The largest mixtures of experts have some thousands of tensors. */
    static final int MAX_TENSORS = 1_000_000;
    /** docs/gguf.md: "at most 2^16-1 bytes long". */
    static final int MAX_KEY_BYTES = 65_535;
    /** Chat templates and character maps, the longest real ones, are below 1 MiB. */
    static final int MAX_STRING_BYTES = 64 << 20;
    /** The longest real arrays, merges, have about half a million elements. */
    static final int MAX_ARRAY_ELEMENTS = 16 << 20;
    /** GGML_MAX_NAME counts the terminating zero. */
    static final int MAX_NAME_BYTES = 63;
    /** GGML_MAX_DIMS. */
    static final int MAX_DIMS = 4;

    private GgufLimits() {}

    static boolean isAlignment(long value) {
        return value >= 1 && value <= MAX_ALIGNMENT && Long.bitCount(value) == 1;
    }

    /** @throws ArithmeticException beyond 2^63-1 */
    static long pad(long bytes, int alignment) {
        return Math.addExact(bytes, alignment - 1L) & -(long) alignment;
    }

    /**
     * Bytes of a tensor, whose rows must be whole blocks.
     *
     * @throws ArithmeticException beyond 2^63-1
     */
    static long tensorBytes(QuantType type, Shape shape) {
        return Math.multiplyExact(shape.elements() / type.blockLength(), (long) type.blockBytes());
    }
}
