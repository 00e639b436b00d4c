package dev.quern.io;

/** Names from files, made safe to print: control and bidirectional characters cannot steer a terminal or fake a log line. */
public final class Quoted {
    private static final int LONGEST = 200;

    private Quoted() {}

    /** {@code name} in double quotes, with everything that is not plainly printable escaped, cut after 200 characters. */
    public static String of(String name) {
        StringBuilder out = new StringBuilder(name.length() + 2).append('"');
        int shown = 0;
        for (int i = 0; i < name.length() && shown < LONGEST; shown++) {
            int c = name.codePointAt(i);
            i += Character.charCount(c);
            if (c == '"' || c == '\\') {
                out.append('\\').append((char) c);
            } else if (isPrintable(c)) {
                out.appendCodePoint(c);
            } else {
                out.append(String.format("\\u{%x}", c));
            }
        }
        return out.append('"')
                .append(shown == LONGEST && name.codePointCount(0, name.length()) > LONGEST ? "…" : "")
                .toString();
    }

    /** A message that may hold text from a file, on one line: what is not plainly printable is escaped. */
    public static String plain(String message) {
        StringBuilder out = new StringBuilder(message.length());
        message.codePoints()
                .limit(2 * LONGEST)
                .forEach(c -> out.append(isPrintable(c) ? Character.toString(c) : String.format("\\u{%x}", c)));
        return out.toString();
    }

    private static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.UNASSIGNED,
                    Character.PRIVATE_USE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }
}
