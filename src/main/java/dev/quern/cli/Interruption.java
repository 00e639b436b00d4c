package dev.quern.cli;

import dev.quern.io.Shutdown;

/**
 * Last words for a command that is ended early: when Ctrl-C (or a plain kill) ends the process while one of these is
 * open, what it was given runs first, on a thread of its own, with the work still going on beside it. The exit code
 * is 1, as of any command that did not do its work.
 */
final class Interruption implements AutoCloseable {
    private final Shutdown.LastWords words;

    private Interruption(Shutdown.LastWords words) {
        this.words = words;
    }

    /**
     * @param lastWords must be quick, must not wait for the work, and reads only what may be read while that goes on;
     *     nothing should be printed where nothing has been measured yet
     */
    static Interruption saying(Runnable lastWords) {
        return new Interruption(Shutdown.lastWords(lastWords));
    }

    /** The work is done and speaks for itself. When the process is already ending, its last words end first. */
    @Override
    public void close() {
        words.close();
    }
}
