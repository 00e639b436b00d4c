package dev.quern.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * The temporary files this process has open. SIGTERM and SIGINT end a JVM through its shutdown hooks, and
 * {@link Shutdown} deletes them there. The set is static because shutdown is the process's, not an object's; it holds a path only while
 * its {@link OutputFile} is open.
 */
final class Temporaries {
    private static final Temporaries PROCESS = new Temporaries();

    static {
        Shutdown.expect();
    }

    private final Set<Path> open = new HashSet<>();
    private boolean shutDown;

    private Temporaries() {}

    static Temporaries ofProcess() {
        return PROCESS;
    }

    /** @throws IllegalStateException during shutdown: what is created now would never be deleted */
    synchronized void add(Path path) {
        if (shutDown) {
            throw new IllegalStateException("shutting down");
        }
        open.add(path);
    }

    synchronized void remove(Path path) {
        open.remove(path);
    }

    synchronized boolean contains(Path path) {
        return open.contains(path);
    }

    synchronized void deleteAll() {
        shutDown = true;
        for (Path path : open) {
            try {
                Files.deleteIfExists(path);
            } catch (IOException e) {
                // The process is ending and its logging with it; the next run finds the file unlocked and removes it.
                System.err.println(path + ": left behind: " + e);
            }
        }
    }
}
