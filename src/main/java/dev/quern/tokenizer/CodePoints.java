package dev.quern.tokenizer;

/**
 * What pre-tokenizers ask of a code point, by its general category: the first letter of it in patterns such as
 * {@code \p{L}}, and whether it is white space. Unicode 15.1, which llama.cpp has (unicode-data.cpp): what Java knows
 * beyond that counts as unassigned.
 */
final class CodePoints {
    static final int LETTER = 1;
    static final int NUMBER = 2;
    static final int MARK = 4;
    static final int PUNCTUATION = 8;
    static final int SYMBOL = 16;
    static final int WHITESPACE = 32;
    static final int CONTROL = 64;

    /** Code points assigned by Unicode 16.0, first and last of each range. */
    private static final int[] NEWER = {
        0x897, 0x897, 0x1b4e, 0x1b4f, 0x1b7f, 0x1b7f, 0x1c89, 0x1c8a, 0x2427, 0x2429, 0x31e4, 0x31e5, 0xa7cb, 0xa7cd,
        0xa7da, 0xa7dc, 0x105c0, 0x105f3, 0x10d40, 0x10d65, 0x10d69, 0x10d85, 0x10d8e, 0x10d8f, 0x10ec2, 0x10ec4,
        0x10efc, 0x10efc, 0x11380, 0x113e2, 0x116d0, 0x116e3, 0x11bc0, 0x11be1, 0x11bf0, 0x11bf9, 0x11f5a, 0x11f5a,
        0x13460, 0x143fa, 0x16100, 0x16139, 0x16d40, 0x16d79, 0x18cff, 0x18cff, 0x1cc00, 0x1ccf9, 0x1cd00, 0x1ceb3,
        0x1e5d0, 0x1e5fa, 0x1e5ff, 0x1e5ff, 0x1f8b2, 0x1f8bb, 0x1f8c0, 0x1f8c1, 0x1fa89, 0x1fa89, 0x1fa8f, 0x1fa8f,
        0x1fabe, 0x1fabe, 0x1fac6, 0x1fac6, 0x1fadc, 0x1fadc, 0x1fadf, 0x1fadf, 0x1fae9, 0x1fae9, 0x1fbcb, 0x1fbef
    };

    private static final byte[] TABLE = table();

    private CodePoints() {}

    /** The flags of a code point; 0 for what is none of these kinds, and for numbers that are no code points. */
    static int flags(int codePoint) {
        return codePoint >= 0 && codePoint < TABLE.length ? TABLE[codePoint] : 0;
    }

    static boolean is(int codePoint, int flags) {
        return (flags(codePoint) & flags) != 0;
    }

    private static byte[] table() {
        byte[] table = new byte[Character.MAX_CODE_POINT + 1];
        for (int c = 0; c < table.length; c++) {
            table[c] = (byte) (kind(Character.getType(c)) | (isWhitespace(c) ? WHITESPACE : 0));
        }
        for (int i = 0; i < NEWER.length; i += 2) {
            java.util.Arrays.fill(table, NEWER[i], NEWER[i + 1] + 1, (byte) 0);
        }
        return table;
    }

    private static int kind(int category) {
        return switch (category) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK -> MARK;
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> PUNCTUATION;
            case Character.MATH_SYMBOL, Character.CURRENCY_SYMBOL, Character.MODIFIER_SYMBOL, Character.OTHER_SYMBOL ->
                SYMBOL;
            case Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE -> CONTROL;
            default -> 0;
        };
    }

    /** The property White_Space. */
    private static boolean isWhitespace(int c) {
        return c >= 9 && c <= 13
                || c == ' '
                || c == 0x85
                || c == 0xA0
                || c == 0x1680
                || c >= 0x2000 && c <= 0x200A
                || c == 0x2028
                || c == 0x2029
                || c == 0x202F
                || c == 0x205F
                || c == 0x3000;
    }
}
