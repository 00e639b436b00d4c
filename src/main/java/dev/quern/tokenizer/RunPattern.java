package dev.quern.tokenizer;

import java.util.Optional;
import java.util.function.IntPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A pattern that is one run of code points of a kind, with one space or one white space before it if the pattern says
 * so: {@code \s?[…]+}, {@code \p{N}{1,3}}, {@code [一-龥]+}. Runs, and what lies between them, are the parts.
 *
 * @param before what may stand before a run: nothing, a space, or any white space
 * @param most the longest run; what is left of a longer one makes the next
 */
record RunPattern(IntPredicate members, Before before, int least, int most) implements Splitting {
    enum Before {
        NOTHING,
        SPACE,
        WHITESPACE
    }

    private static final Pattern FORM = Pattern.compile("( \\?|\\\\s\\?)?(\\[.+\\]|\\\\p\\{\\p{L}\\})(\\+|\\{1,3\\})?");

    /** The pattern, if it has this form. */
    static Optional<Splitting> of(String pattern) {
        if (pattern.equals("[0-9][0-9][0-9]")) {
            return Optional.of(new RunPattern(c -> c >= '0' && c <= '9', Before.NOTHING, 3, 3));
        }
        Matcher form = FORM.matcher(pattern);
        // A bracket inside means that there is more than one class.
        if (!form.matches()
                || form.group(2).replace("\\[", "").replace("\\]", "").lastIndexOf('[') > 0) {
            return Optional.empty();
        }
        String before = form.group(1) == null ? "" : form.group(1);
        String times = form.group(3) == null ? "" : form.group(3);
        return Optional.of(new RunPattern(
                members(form.group(2)),
                before.isEmpty() ? Before.NOTHING : before.equals(" ?") ? Before.SPACE : Before.WHITESPACE,
                1,
                times.equals("+") ? Integer.MAX_VALUE : times.isEmpty() ? 1 : 3));
    }

    private static IntPredicate members(String kind) {
        return switch (kind) {
            case "\\p{L}" -> c -> CodePoints.is(c, CodePoints.LETTER);
            case "\\p{N}" -> c -> CodePoints.is(c, CodePoints.NUMBER);
            case "\\p{P}" -> c -> CodePoints.is(c, CodePoints.PUNCTUATION);
            default -> new Members(kind);
        };
    }

    /** The members of a class in brackets, each code point looked up once. */
    private static final class Members implements IntPredicate {
        private final Pattern kind;
        // 0: not known yet. Threads may find the same answer twice.
        private final byte[] known = new byte[Character.MAX_CODE_POINT + 1];

        Members(String kind) {
            this.kind = Pattern.compile(kind);
        }

        @Override
        public boolean test(int c) {
            if (known[c] == 0) {
                // llama.cpp turns white space beyond ASCII into a vertical tab before it matches.
                boolean space = c > 0x7f && CodePoints.is(c, CodePoints.WHITESPACE);
                boolean newer =
                        c > 0x7f && CodePoints.flags(c) == 0 && kind.pattern().contains("\\p");
                boolean member = !newer
                        && kind.matcher(Character.toString(space ? 0x0b : c)).matches();
                known[c] = (byte) (member ? 1 : 2);
            }
            return known[c] == 1;
        }
    }

    @Override
    public void split(Source source, int from, int to, IntList ends) {
        int[] text = source.codePoints;
        int done = from;
        for (int at = from; at < to; ) {
            int end = match(text, at, to);
            if (end < 0) {
                at++;
                continue;
            }
            if (at > done) {
                ends.add(at);
            }
            ends.add(end);
            done = end;
            at = end;
        }
        if (done < to) {
            ends.add(to);
        }
    }

    private int match(int[] text, int at, int to) {
        boolean isBefore = switch (before) {
            case NOTHING -> false;
            case SPACE -> text[at] == ' ';
            case WHITESPACE -> CodePoints.is(text[at], CodePoints.WHITESPACE);
        };
        int end = isBefore ? run(text, at + 1, to) : -1;
        return end >= 0 ? end : run(text, at, to);
    }

    private int run(int[] text, int at, int to) {
        int limit = most > to - at ? to : at + most;
        int end = at;
        while (end < limit && members.test(text[end])) {
            end++;
        }
        return end - at >= least ? end : -1;
    }
}
