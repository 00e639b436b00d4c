package dev.quern.io;

import java.util.ArrayList;
import java.util.List;

/**
 * What happens when SIGTERM or SIGINT ends the process, in this order: what commands have to say or save, then the
 * removal of output that is not finished. The JVM runs its hooks side by side, so there is one. Static because shutdown is
 * the process's, not an object's.
 */
public final class Shutdown {
    private static final List<LastWords> REGISTERED = new ArrayList<>();
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
                try {
                    HOOK.join();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
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

    /** For whoever has only files to be deleted: makes sure that the hook is there. */
    static void expect() {}

    private static void end() {
        List<LastWords> all;
        synchronized (REGISTERED) {
            all = List.copyOf(REGISTERED);
            REGISTERED.clear();
        }
        try {
            all.forEach(one -> one.words.run());
        } finally {
            Temporaries.ofProcess().endAll();
        }
    }
}
