package dev.quern.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * GPT-2's way of writing bytes as characters that all show: those of Latin-1 that do stand for themselves, the other 68
 * for the code points from U+0100 on, in order. A space is {@code Ġ}, a line end {@code Ċ}.
 */
final class ByteAlphabet {
    /** The code point of every byte. */
    private static final int[] CODE_POINTS = new int[256];

    /** The byte of every code point below {@code BYTES.length}, or -1. */
    private static final int[] BYTES = new int[0x144];

    static {
        Arrays.fill(BYTES, -1);
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean shows = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            CODE_POINTS[b] = shows ? b : next++;
            BYTES[CODE_POINTS[b]] = b;
        }
    }

    private ByteAlphabet() {}

    static int codePoint(int value) {
        return CODE_POINTS[value & 0xff];
    }

    /** The byte that a code point stands for, or -1. */
    static int value(int codePoint) {
        return codePoint >= 0 && codePoint < BYTES.length ? BYTES[codePoint] : -1;
    }

    /** The spelling of bytes, in UTF-8. */
    static byte[] spelled(byte[] bytes, int from, int to) {
        int[] codePoints = new int[to - from];
        for (int i = from; i < to; i++) {
            codePoints[i - from] = codePoint(bytes[i]);
        }
        return DecodedText.encoded(codePoints, codePoints.length);
    }

    /** The bytes that a token spells, or null where some character of it stands for none. */
    static byte @Nullable [] bytes(byte[] token) {
        String text = new String(token, StandardCharsets.UTF_8);
        byte[] out = new byte[text.length()];
        for (int i = 0; i < out.length; i++) {
            int value = value(text.charAt(i));
            if (value < 0) {
                return null;
            }
            out[i] = (byte) value;
        }
        return out;
    }
}
