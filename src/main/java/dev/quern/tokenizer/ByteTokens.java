package dev.quern.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** The spelling of byte tokens: {@code <0x00>} to {@code <0xFF>}, two upper-case digits, as SentencePiece writes them. */
final class ByteTokens {
    private static final HexFormat HEX = HexFormat.of().withUpperCase();

    private ByteTokens() {}

    static byte[] spelling(int value) {
        return ("<0x" + HEX.toHexDigits((byte) value) + ">").getBytes(StandardCharsets.US_ASCII);
    }

    /** The byte that {@code token} spells, or -1. {@code <0x-1>} and {@code <0x0a>} are not spellings of a byte. */
    static int valueOf(byte[] token) {
        if (token.length != 6 || token[0] != '<' || token[1] != '0' || token[2] != 'x' || token[5] != '>') {
            return -1;
        }
        int high = digit(token[3]);
        int low = digit(token[4]);
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    private static int digit(byte c) {
        if (c >= '0' && c <= '9') {
            return c - '0';
        }
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    }
}
