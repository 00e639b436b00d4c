package dev.quern.tokenizer;

/**
 * The patterns that most models cut words with, by hand instead of by a regular expression, as llama.cpp has them
 * (unicode.cpp, {@code unicode_regex_split_custom_*}).
 *
 * @param beforeLetters whether a run of letters takes one character before it that is neither a letter, a digit nor a
 *     line end; without it, only a space, and the same for digits
 * @param anyCase whether {@code 'S} is cut off like {@code 's}
 * @param lettersAndMarks whether combining marks belong to words
 * @param digits how many digits stay together
 */
record WordPattern(boolean beforeLetters, boolean anyCase, boolean lettersAndMarks, int digits) implements Splitting {
    private static final int NONE = -1;

    @Override
    public void split(Source source, int from, int to, IntList ends) {
        int[] text = source.codePoints;
        for (int at = from; at < to; ) {
            at = end(text, at, to);
            ends.add(at);
        }
    }

    private int end(int[] text, int at, int to) {
        int c = text[at];
        int contracted = c == '\'' ? contraction(text, at, to) : NONE;
        if (contracted > 0) {
            return contracted;
        }
        int words = lettersAndMarks ? CodePoints.LETTER | CodePoints.MARK : CodePoints.LETTER;
        int flags = CodePoints.flags(c);
        int next = at + 1 < to ? CodePoints.flags(text[at + 1]) : 0;
        if (beforeLetters) {
            if (c != '\r' && c != '\n' && (flags & CodePoints.NUMBER) == 0 && (flags & words | next & words) != 0) {
                return run(text, at + 1, to, words);
            }
            if ((flags & CodePoints.NUMBER) != 0) {
                return run(text, at, digits < to - at ? at + digits : to, CodePoints.NUMBER);
            }
        } else {
            int first = c == ' ' ? next : flags;
            int begin = c == ' ' ? at + 1 : at;
            if ((first & words) != 0) {
                return run(text, begin, to, words);
            }
            if ((first & CodePoints.NUMBER) != 0) {
                return run(text, begin, to, CodePoints.NUMBER);
            }
        }
        int begin = c == ' ' ? at + 1 : at;
        int spoken = CodePoints.WHITESPACE | words | CodePoints.NUMBER;
        if (begin < to && !CodePoints.is(text[begin], spoken)) {
            int end = begin + 1;
            while (end < to && !CodePoints.is(text[end], spoken)) {
                end++;
            }
            while (beforeLetters && end < to && isLineEnd(text[end])) {
                end++;
            }
            return end;
        }
        return spaces(text, at, to);
    }

    /** White space: up to its last line end, otherwise all but the last before a word, otherwise all. */
    private int spaces(int[] text, int at, int to) {
        int end = at;
        int lineEnd = NONE;
        while (end < to && CodePoints.is(text[end], CodePoints.WHITESPACE)) {
            lineEnd = isLineEnd(text[end]) ? end + 1 : lineEnd;
            end++;
        }
        if (beforeLetters && lineEnd > 0) {
            return lineEnd;
        }
        if (end - at > 1 && end < to) {
            return end - 1;
        }
        return Math.max(end, at + 1);
    }

    private int contraction(int[] text, int at, int to) {
        int first = at + 1 < to ? letter(text[at + 1]) : 0;
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return at + 2;
        }
        int second = at + 2 < to ? letter(text[at + 2]) : 0;
        boolean two = first == 'r' && second == 'e' || first == 'v' && second == 'e' || first == 'l' && second == 'l';
        return two ? at + 3 : NONE;
    }

    private int letter(int c) {
        return anyCase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    }

    private static boolean isLineEnd(int c) {
        return c == '\r' || c == '\n';
    }

    private static int run(int[] text, int at, int to, int flags) {
        int end = at;
        while (end < to && CodePoints.is(text[end], flags)) {
            end++;
        }
        return end;
    }
}
