package dev.quern.io;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Input that Quern refuses. The message is one complete line, "file: where: problem"; the hint, when there is one, is a
 * second line that says what to do. Exit code 3.
 */
public final class InputException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final @Nullable String hint;

    private InputException(String message, @Nullable String hint, @Nullable Throwable cause) {
        super(message, cause);
        this.hint = hint;
    }

    /** @param file the file's name as the user knows it; @param problem what was expected and what was found */
    public static InputException of(String file, String problem) {
        return new InputException(file + ": " + problem, null, null);
    }

    public static InputException of(Path file, String problem) {
        return of(file.toString(), problem);
    }

    /** @param where the tensor, key or byte the problem is at */
    public static InputException of(Path file, String where, String problem) {
        return of(file.toString(), where + ": " + problem);
    }

    public static InputException expected(Path file, String where, Object expected, Object found) {
        return of(file, where, "expected " + expected + ", found " + found);
    }

    public InputException withHint(String newHint) {
        return new InputException(String.valueOf(getMessage()), newHint, getCause());
    }

    public InputException withCause(Throwable newCause) {
        return new InputException(String.valueOf(getMessage()), hint, newCause);
    }

    public @Nullable String hint() {
        return hint;
    }
}
