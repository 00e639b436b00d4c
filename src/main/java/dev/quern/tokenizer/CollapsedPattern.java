package dev.quern.tokenizer;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A pattern with Unicode categories that runs over a text in which every code point beyond ASCII has become one
 * character for its category, as llama.cpp runs such patterns (unicode.cpp, {@code unicode_regex_split}): what matches,
 * and what lies between matches, are the parts. White space beyond ASCII is a vertical tab. Only patterns of Quern's own
 * ({@code formats/pretokenizers.json}) are run, none that a file brings; they repeat nothing but character classes, so
 * that a long text costs no stack.
 */
final class CollapsedPattern implements Splitting {
    private static final char OTHER = '\u00d0';
    private static final char NUMBER = '\u00d1';
    private static final char LETTER = '\u00d2';
    private static final char PUNCTUATION = '\u00d3';
    private static final char MARK = '\u00d4';
    private static final char SYMBOL = '\u00d5';
    private static final char SPACE = '\u000b';

    /** The members of each category, for use inside brackets. */
    private static final Map<String, String> CLASSES = Map.of(
            "\\p{N}", NUMBER + "0-9",
            "\\p{L}", LETTER + "A-Za-z",
            "\\p{P}", PUNCTUATION + "!-#%-*,-/:-;?-@\\[-\\]_\\{\\}",
            "\\p{M}", "" + MARK,
            "\\p{S}", SYMBOL + "\\$\\+<->\\^`\\|\\~");

    private final Pattern pattern;

    CollapsedPattern(String pattern) {
        this.pattern = Pattern.compile(collapsed(pattern));
    }

    private static String collapsed(String pattern) {
        StringBuilder out = new StringBuilder();
        int depth = 0;
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            if (c == '\\' && pattern.startsWith("p{", i + 1)) {
                int end = pattern.indexOf('}', i) + 1;
                String members = CLASSES.get(pattern.substring(i, end));
                if (members == null) {
                    throw new IllegalArgumentException("no category " + pattern.substring(i, end));
                }
                out.append(depth > 0 ? members : "[" + members + "]");
                i = end - 1;
            } else if (c == '\\') {
                out.append(c).append(pattern.charAt(++i));
            } else {
                depth += c == '[' ? 1 : c == ']' ? -1 : 0;
                out.append(c);
            }
        }
        return out.toString();
    }

    static String collapse(int[] codePoints, int length) {
        // One byte a character, which is how Java keeps strings of these.
        byte[] out = new byte[length];
        for (int i = 0; i < length; i++) {
            int c = codePoints[i];
            out[i] = (byte) (c < 0x80 ? c : collapsed(CodePoints.flags(c)));
        }
        return new String(out, java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    private static char collapsed(int flags) {
        if ((flags & CodePoints.WHITESPACE) != 0) {
            return SPACE;
        }
        return switch (flags) {
            case CodePoints.NUMBER -> NUMBER;
            case CodePoints.LETTER -> LETTER;
            case CodePoints.PUNCTUATION -> PUNCTUATION;
            case CodePoints.MARK -> MARK;
            case CodePoints.SYMBOL -> SYMBOL;
            default -> OTHER;
        };
    }

    @Override
    public void split(Source source, int from, int to, IntList ends) {
        if (from == to) {
            return;
        }
        Matcher matcher = pattern.matcher(source.collapsed()).region(from, to);
        int done = from;
        while (matcher.find()) {
            if (matcher.start() > done) {
                ends.add(matcher.start());
            }
            if (matcher.end() > matcher.start()) {
                ends.add(matcher.end());
                done = matcher.end();
            } else {
                done = matcher.start();
            }
        }
        if (done < to) {
            ends.add(to);
        }
    }
}
