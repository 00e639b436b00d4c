package dev.quern.tokenizer;

import java.util.Arrays;

/**
 * A text as code points, and its bytes again. Bytes that are no UTF-8 become U+FFFD, one for each, as llama.cpp reads
 * them (unicode.cpp, {@code unicode_cpts_from_utf8}): it takes overlong forms and surrogates for what they spell. Beyond
 * U+10FFFF, where it throws, there is U+FFFD here too.
 */
final class DecodedText {
    private static final int REPLACEMENT = 0xFFFD;

    final int[] codePoints;
    final int length;
    /** UTF-8 of the code points: the text itself where that is what it is. */
    final byte[] utf8;

    private DecodedText(int[] codePoints, int length, byte[] utf8) {
        this.codePoints = codePoints;
        this.length = length;
        this.utf8 = utf8;
    }

    static DecodedText of(byte[] text, int from, int to) {
        int[] codePoints = new int[to - from];
        int count = 0;
        boolean same = true;
        for (int at = from; at < to; count++) {
            int c = text[at];
            int length = 1;
            if (c < 0) {
                length = sequence(text, at, to);
                c = length == 0 ? REPLACEMENT : value(text, at, length);
                if (c > Character.MAX_CODE_POINT) {
                    c = REPLACEMENT;
                    length = 0;
                }
                same &= length == size(c);
                length = Math.max(length, 1);
            }
            codePoints[count] = c;
            at += length;
        }
        byte[] utf8 = same ? from == 0 && to == text.length ? text : Arrays.copyOfRange(text, from, to) : null;
        return new DecodedText(codePoints, count, utf8 == null ? encoded(codePoints, count) : utf8);
    }

    static DecodedText of(byte[] text) {
        return of(text, 0, text.length);
    }

    static DecodedText of(int[] codePoints, int length) {
        return new DecodedText(codePoints, length, encoded(codePoints, length));
    }

    /** Bytes of a code point in UTF-8. */
    static int size(int codePoint) {
        return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    }

    /** @return the index behind the code point */
    static int put(byte[] out, int at, int c) {
        int size = size(c);
        if (size == 1) {
            out[at] = (byte) c;
            return at + 1;
        }
        out[at] = (byte) (0xf00 >> size | c >> 6 * (size - 1));
        for (int i = 1; i < size; i++) {
            out[at + i] = (byte) (0x80 | c >> 6 * (size - 1 - i) & 0x3f);
        }
        return at + size;
    }

    /** Bytes of the character at {@code at}, or 0 if its bytes are none. */
    static int validLength(byte[] text, int at) {
        return text[at] >= 0 ? 1 : sequence(text, at, text.length);
    }

    /** The length of a character by its first byte alone: bytes that begin none count as one. */
    static int lengthByFirstByte(byte first) {
        int b = first & 0xff;
        if (b < 0xC0) {
            return 1;
        }
        if (b < 0xE0) {
            return 2;
        }
        return b < 0xF0 ? 3 : 4;
    }

    static byte[] encoded(int[] codePoints, int length) {
        int size = 0;
        for (int i = 0; i < length; i++) {
            size = Math.addExact(size, size(codePoints[i]));
        }
        byte[] out = new byte[size];
        int at = 0;
        for (int i = 0; i < length; i++) {
            at = put(out, at, codePoints[i]);
        }
        return out;
    }

    /** Bytes of the sequence that begins here, by its first byte and as many continuation bytes; 0 if it is none. */
    private static int sequence(byte[] text, int at, int to) {
        int first = text[at] & 0xff;
        int length = first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 0;
        if (length == 0 || length > to - at) {
            return 0;
        }
        for (int i = 1; i < length; i++) {
            if ((text[at + i] & 0xC0) != 0x80) {
                return 0;
            }
        }
        return length;
    }

    private static int value(byte[] text, int at, int length) {
        int c = text[at] & 0x7f >> length;
        for (int i = 1; i < length; i++) {
            c = c << 6 | text[at + i] & 0x3f;
        }
        return c;
    }
}
