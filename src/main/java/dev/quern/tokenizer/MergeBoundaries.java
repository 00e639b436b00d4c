package dev.quern.tokenizer;

/**
 * Where no token can reach across, so that text may be cut before it is merged: pairs of neighbouring bytes that occur
 * in no token. Merges on the two sides of such a place cannot touch each other, so the ids are those of the whole text,
 * and the pieces (mostly words) stay small.
 */
final class MergeBoundaries {
    private static final int SPACE = 0xE29681;

    /** Bit {@code left << 8 | right}: the two bytes are neighbours in some token. */
    private final long[] neighbours = new long[1 << 10];
    /** The byte stands before a whole ▁ in some token. Nearly no token has one inside, but many have its first byte. */
    private final boolean[] beforeSpace = new boolean[256];

    MergeBoundaries(byte[][] texts) {
        for (byte[] text : texts) {
            for (int i = 1; i < text.length; i++) {
                int pair = (text[i - 1] & 0xff) << 8 | text[i] & 0xff;
                neighbours[pair >> 6] |= 1L << (pair & 63);
                if (isSpace(text, i, text.length)) {
                    beforeSpace[text[i - 1] & 0xff] = true;
                }
            }
        }
    }

    /** Whether text may be cut before the character at {@code at}, which is not the first. */
    boolean isBefore(byte[] text, int at) {
        if (isSpace(text, at, text.length)) {
            return !beforeSpace[text[at - 1] & 0xff];
        }
        int pair = (text[at - 1] & 0xff) << 8 | text[at] & 0xff;
        return (neighbours[pair >> 6] & 1L << (pair & 63)) == 0;
    }

    private static boolean isSpace(byte[] text, int at, int end) {
        return at + 3 <= end && ((text[at] & 0xff) << 16 | (text[at + 1] & 0xff) << 8 | text[at + 2] & 0xff) == SPACE;
    }
}
