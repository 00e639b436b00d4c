package dev.quern.architecture;

import java.util.function.LongUnaryOperator;

/**
 * The order of rotary rows. Within a head of d rows Meta and GGUF rotate neighbours (2i, 2i+1); Hugging Face rotates
 * (i, i + d/2), and so stores Meta's even rows first and its odd rows after them.
 */
final class RopeRows {
    private RopeRows() {}

    /** Which of Hugging Face's rows stands at a row of GGUF's order. */
    static LongUnaryOperator huggingFace(long headSize) {
        return row -> {
            long inHead = row % headSize;
            return row - inHead + inHead % 2 * (headSize / 2) + inHead / 2;
        };
    }
}
