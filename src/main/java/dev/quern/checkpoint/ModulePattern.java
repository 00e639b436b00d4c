package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression from a configuration, held against the beginning of a module's name as Python's re.match does.
 * It comes from a stranger, so how long it may search is bounded.
 */
public record ModulePattern(Path file, Pattern pattern) {
    private static final int LONGEST = 1000;

    /** Looks at characters that one match may take; a sane pattern takes a few hundred. */
    private static final int MOST_STEPS = 100_000;

    /** @throws InputException when it is no regular expression */
    public static ModulePattern of(Path file, String regex) {
        if (regex.length() > LONGEST) {
            throw InputException.of(file, "a module pattern is " + regex.length() + " characters long");
        }
        try {
            return new ModulePattern(file, Pattern.compile(regex));
        } catch (PatternSyntaxException e) {
            throw InputException.of(file, "module pattern " + Quoted.of(regex), e.getDescription())
                    .withCause(e);
        }
    }

    /** @throws InputException when the search takes too long */
    public boolean matches(String module) {
        try {
            return pattern.matcher(new Counted(module, new int[1])).lookingAt();
        } catch (TooLong | StackOverflowError e) {
            throw InputException.of(
                            file,
                            "module pattern " + Quoted.of(pattern.pattern()),
                            "takes more than " + MOST_STEPS + " steps on " + Quoted.of(module))
                    .withCause(e);
        }
    }

    private static final class TooLong extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private record Counted(CharSequence text, int[] steps) implements CharSequence {
        @Override
        public int length() {
            return text.length();
        }

        @Override
        public char charAt(int index) {
            if (++steps[0] > MOST_STEPS) {
                throw new TooLong();
            }
            return text.charAt(index);
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Counted(text.subSequence(start, end), steps);
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }
}
