package dev.quern.tokenizer;

import java.util.OptionalInt;

/** UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
public final class Utf8 {
    private Utf8() {}

    /** Where the first sequence that is not UTF-8 begins, in bytes. */
    public static OptionalInt firstInvalid(byte[] text) {
        int at = 0;
        while (at < text.length) {
            int length = sequence(text, at);
            if (length == 0) {
                return OptionalInt.of(at);
            }
            at += length;
        }
        return OptionalInt.empty();
    }

    /** Bytes of the well-formed sequence at {@code at}, or 0 (Unicode, table 3-7). */
    private static int sequence(byte[] text, int at) {
        int first = text[at] & 0xff;
        if (first < 0x80) {
            return 1;
        }
        if (first >= 0xC2 && first <= 0xDF) {
            return within(text, at + 1, 0x80, 0xBF) ? 2 : 0;
        }
        if (first >= 0xE0 && first <= 0xEF) {
            int low = first == 0xE0 ? 0xA0 : 0x80;
            int high = first == 0xED ? 0x9F : 0xBF;
            return within(text, at + 1, low, high) && within(text, at + 2, 0x80, 0xBF) ? 3 : 0;
        }
        if (first >= 0xF0 && first <= 0xF4) {
            int low = first == 0xF0 ? 0x90 : 0x80;
            int high = first == 0xF4 ? 0x8F : 0xBF;
            return within(text, at + 1, low, high)
                            && within(text, at + 2, 0x80, 0xBF)
                            && within(text, at + 3, 0x80, 0xBF)
                    ? 4
                    : 0;
        }
        return 0;
    }

    private static boolean within(byte[] text, int at, int low, int high) {
        return at < text.length && (text[at] & 0xff) >= low && (text[at] & 0xff) <= high;
    }
}
