package dev.quern.checkpoint.packed;

import java.lang.foreign.MemorySegment;

/** Unsigned codes of a few bits, one after the other from the lowest bit on through 32-bit words. */
final class BitStream {
    private BitStream() {}

    /** The code at bit {@code bit} of the words that begin at word {@code first}. */
    static int code(MemorySegment words, long first, long bit, int bits) {
        long word = first + (bit >> 5);
        int shift = (int) (bit & 31);
        int code = Part.word(words, word) >>> shift;
        if (shift + bits > 32) {
            code |= Part.word(words, word + 1) << 32 - shift;
        }
        return code & (1 << bits) - 1;
    }

    /** The 32 codes of {@code bits} words; {@code words} has one word more, which is not looked at for its value. */
    static void decode(int[] words, int bits, float[] out, int at) {
        int mask = (1 << bits) - 1;
        for (int i = 0; i < 32; i++) {
            int bit = i * bits;
            long pair = (words[(bit >> 5) + 1] & 0xffff_ffffL) << 32 | words[bit >> 5] & 0xffff_ffffL;
            out[at + i] = (int) (pair >>> (bit & 31)) & mask;
        }
    }
}
