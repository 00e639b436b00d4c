package dev.quern.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * The temporary files this process has open. SIGTERM and SIGINT end a JVM through its shutdown hooks, and
 * {@link Shutdown} deletes them there, or says how the work goes on from them. The set is static because shutdown is the
 * process's, not an object's; it holds a path only while its {@link OutputFile} is open.
 */
final class Temporaries {
    private static final Temporaries PROCESS = new Temporaries();

    static {
        Shutdown.expect();
    }

    private final Map<Path, BooleanSupplier> open = new LinkedHashMap<>();
    /** Read without the lock too, by whoever met a failure. */
    private volatile boolean ended;

    private Temporaries() {}

    static Temporaries ofProcess() {
        return PROCESS;
    }

    /** What makes a file. */
    interface Creation<T> {
        T create() throws IOException;
    }

    /**
     * Makes a file that is deleted when the process is ended; no moment lies between the two.
     *
     * @param path of the temporary that the file belongs to
     * @param kept whether the temporary is worth being gone on from, with its journal beside it
     * @throws IllegalStateException when the process is ending: what is created then would never be deleted. Where a
     *     signal {@linkplain Shutdown#exitWhenInterrupted ends the program}, it is gone before that is thrown
     */
    <T> T create(Path path, BooleanSupplier kept, Creation<T> creation) throws IOException {
        synchronized (this) {
            if (!ended) {
                T created = creation.create();
                open.put(path, kept);
                return created;
            }
        }
        Shutdown.awaitWhereFilesAreGone();
        throw new IllegalStateException(path + ": the process is ending");
    }

    boolean areEnded() {
        return ended;
    }

    synchronized void remove(Path path) {
        open.remove(path);
    }

    synchronized boolean contains(Path path) {
        return open.containsKey(path);
    }

    synchronized void endAll() {
        ended = true;
        open.forEach((path, kept) -> {
            if (kept.getAsBoolean()) {
                Shutdown.say("interrupted: " + PartialFile.keptNotice(path));
                return;
            }
            try {
                Files.deleteIfExists(path);
                Files.deleteIfExists(PartialFile.journalOf(path));
            } catch (IOException e) {
                // The process is ending and its logging with it; the next run finds the file unlocked and removes it.
                Shutdown.say("interrupted: " + path + ": left behind: " + e);
            }
        });
    }
}
