package dev.quern.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The temporary of one target, {@code .NAME.RANDOM.partial} beside it, locked by the process that writes it; its journal
 * is {@code .NAME.RANDOM.journal}.
 *
 * @param channel open, and with it the lock
 */
record PartialFile(Path path, FileChannel channel) {
    private static final String SUFFIX = ".partial";
    private static final String JOURNAL_SUFFIX = ".journal";

    Path journal() {
        return journalOf(path);
    }

    static Path journalOf(Path partial) {
        String name = partial.getFileName().toString();
        return partial.resolveSibling(name.substring(0, name.length() - SUFFIX.length()) + JOURNAL_SUFFIX);
    }

    private static Path partialOf(Path journal) {
        String name = journal.getFileName().toString();
        return journal.resolveSibling(name.substring(0, name.length() - JOURNAL_SUFFIX.length()) + SUFFIX);
    }

    /** For people: that a partial file is kept, and how to go on or to get rid of it. */
    static String keptNotice(Path partial) {
        String name = partial.getFileName().toString();
        String stem = name.substring(0, name.length() - SUFFIX.length());
        return "what is done is kept in " + partial + "; the same command goes on from there, --no-resume starts over, "
                + "rm " + partial.resolveSibling(stem) + ".* gives it up";
    }

    /**
     * What earlier runs left beside a target.
     *
     * @param partials temporaries, locked or not
     * @param journals of files that have no temporary any more
     */
    record Leftovers(List<Path> partials, List<Path> journals) {}

    static Leftovers leftovers(Path target) {
        List<Path> partials = new ArrayList<>();
        List<Path> journals = new ArrayList<>();
        try (DirectoryStream<Path> others = Files.newDirectoryStream(
                Preflight.directoryOf(target),
                path -> isOf(target, path, SUFFIX) || isOf(target, path, JOURNAL_SUFFIX))) {
            for (Path other : others) {
                if (isOf(target, other, SUFFIX)) {
                    partials.add(other);
                } else if (!Files.exists(partialOf(other))) {
                    journals.add(other);
                }
            }
        } catch (IOException e) {
            throw OutputException.of(target, "cannot be checked for partial files of earlier runs", e);
        }
        partials.sort(null);
        journals.sort(null);
        return new Leftovers(partials, journals);
    }

    /** Whether a file in the target's directory has the name of one of its temporaries or journals. */
    private static boolean isOf(Path target, Path path, String suffix) {
        String name = path.getFileName().toString();
        String prefix = prefix(target);
        int digits = name.length() - prefix.length() - suffix.length();
        return digits == Long.BYTES * 2
                && name.startsWith(prefix)
                && name.endsWith(suffix)
                && name.substring(prefix.length(), prefix.length() + digits)
                        .chars()
                        .allMatch(HexFormat::isHexDigit);
    }

    private static String prefix(Path target) {
        return "." + target.getFileName() + ".";
    }

    /** A new one, locked. */
    static PartialFile create(Path target, FileOperations operations, BooleanSupplier kept) {
        Path directory = Preflight.directoryOf(target);
        while (true) {
            String random =
                    HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
            Path path = directory.resolve(prefix(target) + random + SUFFIX);
            FileChannel channel;
            try {
                channel = Temporaries.ofProcess().create(path, kept, () -> operations.create(path));
            } catch (FileAlreadyExistsException e) {
                continue;
            } catch (IOException e) {
                throw OutputException.of(directory, "takes no new file", e);
            }
            PartialFile created = new PartialFile(path, channel);
            try {
                FileLock lock = operations.lock(channel);
                // Another process may have taken the new, still unlocked file for a stale one.
                if (lock != null && Files.exists(path)) {
                    return created;
                }
                created.discard(operations, new IOException("taken for a stale one"));
            } catch (IOException e) {
                OutputException problem = OutputException.of(path, "cannot be locked", e);
                created.discard(operations, problem);
                throw problem;
            } catch (RuntimeException e) {
                created.discard(operations, e);
                throw e;
            }
        }
    }

    /**
     * An earlier run's, locked by this process now; null when it is gone.
     *
     * @throws RefusedException when somebody is still writing it
     */
    static @Nullable PartialFile claim(Path target, Path partial, FileOperations operations) {
        // Not even opened when it is ours: closing any descriptor of a file drops the process's POSIX locks.
        if (Temporaries.ofProcess().contains(partial)) {
            throw Preflight.beingWritten(target, partial);
        }
        FileChannel channel;
        try {
            channel = operations.reopen(partial);
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw OutputException.of(partial, "an earlier run's, cannot be opened", e);
        }
        PartialFile claimed = new PartialFile(partial, channel);
        try {
            FileLock lock = operations.lock(channel);
            if (lock == null) {
                throw Preflight.beingWritten(target, partial);
            }
            if (Files.exists(partial)) {
                return claimed;
            }
            claimed.release();
            return null;
        } catch (OverlappingFileLockException e) {
            claimed.release();
            throw Preflight.beingWritten(target, partial);
        } catch (IOException e) {
            claimed.release();
            throw OutputException.of(partial, "an earlier run's, cannot be locked", e);
        } catch (RuntimeException e) {
            claimed.release();
            throw e;
        }
    }

    /** Unlocks the file and leaves it where it is. */
    void release() {
        try {
            channel.close();
        } catch (IOException e) {
            // Nothing was written through it that anybody relies on.
        }
    }

    /** Removes file and journal, the file first: without it nobody would go on from the journal. */
    void delete(FileOperations operations) throws IOException {
        operations.delete(path);
        operations.delete(journal());
    }

    /** Closes and removes, after something went wrong. */
    void discard(FileOperations operations, Throwable reason) {
        try {
            channel.close();
            delete(operations);
        } catch (IOException e) {
            reason.addSuppressed(e);
        } finally {
            Temporaries.ofProcess().remove(path);
        }
    }
}
