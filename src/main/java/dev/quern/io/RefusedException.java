package dev.quern.io;

import java.nio.file.Path;

/**
 * A command that is well-formed and would do harm: output onto an input, over an existing file, into a directory that
 * is not there. Nothing has been written. The hint says what to do instead. Exit code 2, as for a wrong option.
 */
public final class RefusedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String hint;

    public RefusedException(Path file, String problem, String hint) {
        super(file + ": " + problem);
        this.hint = hint;
    }

    public String hint() {
        return hint;
    }
}
