package dev.quern.cli;

/**
 * Last words for a command that is ended early: when Ctrl-C (or a plain kill) ends the process while one of these is
 * open, what it was given runs first, on a thread of its own, with the work still going on beside it. The exit code
 * stays the one of the signal, 130 for Ctrl-C.
 */
final class Interruption implements AutoCloseable {
    private final Thread hook;

    private Interruption(Thread hook) {
        this.hook = hook;
    }

    /**
     * @param lastWords must be quick, must not wait for the work, and reads only what may be read while that goes on;
     *     nothing should be printed where nothing has been measured yet
     */
    static Interruption saying(Runnable lastWords) {
        Thread hook = new Thread(lastWords, "interruption");
        Runtime.getRuntime().addShutdownHook(hook);
        return new Interruption(hook);
    }

    /** The work is done and speaks for itself. When the process is already ending, its last words end first. */
    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException ending) {
            try {
                hook.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
