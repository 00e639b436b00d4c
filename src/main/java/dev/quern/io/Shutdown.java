package dev.quern.io;

import java.util.ArrayList;
import java.util.List;

/**
 * What happens when SIGTERM or SIGINT ends the process, in this order: what commands have to say or save, the removal of
 * output that is not finished, one line about it, and an exit code that says that the work failed. The JVM runs its hooks
 * side by side, so there is one. Static because shutdown is the process's, not an object's.
 */
public final class Shutdown {
    private static final List<LastWords> REGISTERED = new ArrayList<>();
    /** What a process that is ended by a signal exits with; the JVM's own, 128 and the signal's number, where negative. */
    private static volatile int codeWhenInterrupted = -1;

    private static volatile boolean leaving;
    private static volatile boolean said;

    private static final Thread HOOK = new Thread(Shutdown::end, "shutdown");

    static {
        Runtime.getRuntime().addShutdownHook(HOOK);
    }

    private Shutdown() {}

    /** Removes itself on close, and where the process is ending already waits for its end instead. */
    public static final class LastWords implements AutoCloseable {
        private final Runnable words;

        private LastWords(Runnable words) {
            this.words = words;
        }

        @Override
        public void close() {
            boolean spoken;
            synchronized (REGISTERED) {
                spoken = !REGISTERED.remove(this);
            }
            if (spoken) {
                awaitEnd();
            }
        }
    }

    /** @param words run on a thread of their own while the work goes on; they may create files */
    public static LastWords lastWords(Runnable words) {
        LastWords added = new LastWords(words);
        synchronized (REGISTERED) {
            REGISTERED.add(added);
        }
        return added;
    }

    /**
     * For a program that has the process to itself.
     *
     * @param code what the process exits with when a signal ends it; it then says so in one line on stderr
     */
    public static void exitWhenInterrupted(int code) {
        codeWhenInterrupted = code;
    }

    /** Ends the process because its work is done, well or not. */
    public static void exit(int code) {
        leaving = true;
        System.exit(code);
    }

    /** A line on stderr about what becomes of the work, instead of the usual one. */
    public static void say(String line) {
        said = true;
        System.err.println(line);
    }

    /**
     * For whoever is about to report a failure: where a signal has had unfinished files removed, the failure comes of
     * that, and nobody wants to read of it. The process's end is waited for instead.
     */
    public static void awaitWhereFilesAreGone() {
        if (Temporaries.ofProcess().areEnded()) {
            awaitEnd();
        }
    }

    private static void awaitEnd() {
        try {
            HOOK.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** For whoever has only files to be deleted: makes sure that the hook is there. */
    static void expect() {}

    private static void end() {
        boolean interrupted = !leaving;
        List<LastWords> all;
        synchronized (REGISTERED) {
            all = List.copyOf(REGISTERED);
            REGISTERED.clear();
        }
        try {
            all.forEach(one -> one.words.run());
        } finally {
            Temporaries.ofProcess().endAll();
            int code = codeWhenInterrupted;
            if (interrupted && code >= 0) {
                if (!said) {
                    say("interrupted: ended by a signal; nothing half done is left");
                }
                System.out.flush();
                System.err.flush();
                // A hook cannot change the exit code in another way.
                Runtime.getRuntime().halt(code);
            }
        }
    }
}
