package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Output that appears whole under its final name or not at all: a locked temporary beside the target, positional writes
 * from any number of threads, force, atomic move, directory force. What is never written reads as zeros, so a format
 * whose first bytes are written last leaves no partial file that looks whole.
 *
 * <p>The temporary is called {@code .NAME.RANDOM.partial}. A process that ends through SIGTERM or SIGINT deletes it;
 * what SIGKILL leaves behind is removed by the next run that writes the same name ({@link #staleRemoved}).
 */
public final class OutputFile implements AutoCloseable {
    private static final String SUFFIX = ".partial";

    private final Path target;
    private final Path temporary;
    private final long size;
    private final boolean overwrite;
    private final FileOperations operations;
    private final FileChannel channel;
    private final WriteBack writeBack;
    private final List<Path> staleRemoved;
    private final AtomicBoolean failed = new AtomicBoolean();
    private boolean moved;
    private boolean closed;

    private OutputFile(
            Path target,
            Path temporary,
            long size,
            boolean overwrite,
            FileOperations operations,
            FileChannel channel,
            List<Path> staleRemoved) {
        this.target = target;
        this.temporary = temporary;
        this.size = size;
        this.overwrite = overwrite;
        this.operations = operations;
        this.channel = channel;
        this.writeBack = new WriteBack(channel, operations);
        this.staleRemoved = List.copyOf(staleRemoved);
    }

    /**
     * Checks everything that can be known before the first byte, then creates the temporary.
     *
     * @param size bytes of the finished file
     * @param inputs files that are being read; the target may be none of them, under whatever name
     * @throws RefusedException when the target is an input, exists (without {@code overwrite}), is being written by
     *     somebody else, or has no directory
     * @throws OutputException when there is too little space or the directory takes no file
     */
    public static OutputFile create(Path target, long size, Collection<Path> inputs, boolean overwrite) {
        return create(target, size, inputs, overwrite, true);
    }

    /**
     * As {@link #create(Path, long, Collection, boolean)}.
     *
     * @param forced whether {@link #commit} waits until the disk has everything; without, a power cut may lose the file
     */
    public static OutputFile create(
            Path target, long size, Collection<Path> inputs, boolean overwrite, boolean forced) {
        return create(target, size, inputs, overwrite, forced ? FileOperations.REAL : FileOperations.UNFORCED);
    }

    static OutputFile create(
            Path target, long size, Collection<Path> inputs, boolean overwrite, FileOperations operations) {
        if (size < 0) {
            throw new IllegalArgumentException("size " + size);
        }
        Path resolved = checkTarget(target, inputs, overwrite);
        Path directory = directoryOf(resolved);
        requireSpace(directory, size, operations);
        Temporary own = createTemporary(resolved, operations);
        OutputFile output = null;
        try {
            List<Path> stale = removeStale(resolved, own.path());
            output = new OutputFile(resolved, own.path(), size, overwrite, operations, own.channel(), stale);
            if (size > 0) {
                output.writeFully(ByteBuffer.allocate(1), size - 1);
            }
            return output;
        } catch (RuntimeException e) {
            discard(own, operations, e);
            throw e;
        }
    }

    /**
     * Checks that several outputs fit beside each other on the file systems they go to.
     *
     * @param sizes bytes of each output
     * @throws OutputException naming the file system's directory, what is needed and what is free
     */
    public static void requireSpace(Map<Path, Long> sizes) {
        Map<FileStore, Long> sums = new LinkedHashMap<>();
        Map<FileStore, Path> directories = new LinkedHashMap<>();
        sizes.forEach((target, size) -> {
            Path directory = directoryOf(target);
            FileStore store;
            try {
                store = Files.getFileStore(directory);
            } catch (NoSuchFileException e) {
                throw noDirectory(target, directory);
            } catch (IOException e) {
                throw OutputException.of(directory, "cannot be asked for its free space", e);
            }
            sums.merge(store, size, Math::addExact);
            directories.putIfAbsent(store, directory);
        });
        directories.forEach((store, directory) -> {
            long sum = sums.getOrDefault(store, 0L);
            requireSpace(directory, sum, FileOperations.REAL);
        });
    }

    /** Partial files of this target that an earlier process left and nobody holds any more; they have been deleted. */
    public List<Path> staleRemoved() {
        return staleRemoved;
    }

    /** The final name, with a symbolic link followed. */
    public Path target() {
        return target;
    }

    public long size() {
        return size;
    }

    /**
     * Writes all remaining bytes at a place of their own. Safe from several threads at once.
     *
     * @throws OutputException in the system's words; the output can then only be closed
     */
    public void write(ByteBuffer bytes, long position) {
        if (position < 0 || position > size - bytes.remaining()) {
            throw new IllegalArgumentException(
                    bytes.remaining() + " bytes at " + position + " leave the " + size + " bytes of " + target);
        }
        writeFully(bytes, position);
    }

    private void writeFully(ByteBuffer bytes, long position) {
        long at = position;
        try {
            // A disk that fills up answers with a short count first, and only then with an error.
            while (bytes.hasRemaining()) {
                int count = operations.write(channel, bytes, at);
                if (count <= 0) {
                    throw new IOException("the system wrote nothing and gave no reason");
                }
                at += count;
            }
            writeBack.written(at - position);
        } catch (IOException e) {
            failed.set(true);
            throw OutputException.of(target, "cannot be written", e);
        }
    }

    /**
     * Makes the file appear. When this returns, it survives a power cut, unless it was created as one that is not forced.
     *
     * @return the final name
     * @throws OutputException when a write failed before, or when forcing or moving fails; the old file, if any, is
     *     untouched unless the message says that the new one is in place
     */
    public Path commit() {
        if (closed || moved) {
            throw new IllegalStateException(target + " is already " + (moved ? "committed" : "closed"));
        }
        if (failed.get()) {
            throw OutputException.of(target, "is incomplete: a write failed before");
        }
        try {
            long written = operations.size(channel);
            if (written != size) {
                throw OutputException.of(target, "expected " + size + " bytes, found " + written);
            }
            writeBack.await();
            // Never retried: after a failed fsync the kernel calls the lost pages clean (Rebello et al., ATC 2020).
            operations.force(channel);
        } catch (IOException e) {
            failed.set(true);
            throw OutputException.of(target, "cannot be forced to disk", e);
        }
        if (!overwrite && Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(target);
        }
        try {
            operations.move(temporary, target);
        } catch (IOException e) {
            failed.set(true);
            throw OutputException.of(target, "cannot be moved into place from " + temporary.getFileName(), e);
        }
        moved = true;
        Temporaries.ofProcess().remove(temporary);
        try {
            operations.forceDirectory(directoryOf(target));
        } catch (IOException e) {
            throw OutputException.of(target, "is in place and whole, but its directory cannot be forced to disk", e);
        }
        return target;
    }

    /** Without a commit, deletes the temporary; what stood under the final name stays as it was. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try (channel) {
            writeBack.await();
        } catch (IOException e) {
            if (!moved) {
                // Only the temporary's bytes could be lost, and they are deleted next.
                failed.set(true);
            }
        }
        if (!moved) {
            try {
                operations.delete(temporary);
            } catch (IOException e) {
                throw OutputException.of(temporary, "is left behind", e);
            } finally {
                Temporaries.ofProcess().remove(temporary);
            }
        }
    }

    private static Path checkTarget(Path target, Collection<Path> inputs, boolean overwrite) {
        Path directory = directoryOf(target);
        if (!Files.isDirectory(directory)) {
            throw noDirectory(target, directory);
        }
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            return target.toAbsolutePath();
        }
        Path resolved;
        try {
            // A link stays a link: what it points to is replaced, as writing through it would do.
            resolved = Files.isSymbolicLink(target) ? target.toRealPath() : target.toAbsolutePath();
            for (Path input : inputs) {
                if (Files.exists(input) && Files.isSameFile(resolved, input)) {
                    throw new RefusedException(
                            target, "is the input " + input, "give the output another name; the input is read from it");
                }
            }
        } catch (NoSuchFileException e) {
            throw new RefusedException(
                    target, "is a symbolic link to a file that does not exist", "remove the link or name its target");
        } catch (IOException e) {
            throw OutputException.of(target, "cannot be compared with the inputs", e);
        }
        // A rename would replace even /dev/null.
        if (!Files.isRegularFile(resolved)) {
            throw new RefusedException(
                    target,
                    "expected a file, found a "
                            + (Files.isDirectory(resolved) ? "directory" : "device, pipe or socket"),
                    "name a file");
        }
        if (!overwrite) {
            throw exists(target);
        }
        return resolved;
    }

    private static RefusedException exists(Path target) {
        return new RefusedException(target, "already exists", "use --force to replace it");
    }

    private static RefusedException noDirectory(Path target, Path directory) {
        return new RefusedException(target, "there is no directory " + directory, "create it first");
    }

    private static Path directoryOf(Path target) {
        Path parent = target.toAbsolutePath().getParent();
        if (parent == null) {
            throw new RefusedException(target, "expected a file, found a directory", "name a file");
        }
        return parent;
    }

    private static void requireSpace(Path directory, long size, FileOperations operations) {
        long free;
        try {
            free = operations.usableSpace(directory);
        } catch (IOException e) {
            throw OutputException.of(directory, "cannot be asked for its free space", e);
        }
        // One percent for what the file system itself needs to keep track of so many blocks.
        long needed = size + size / 100;
        if (needed < 0 || free < needed) {
            throw OutputException.of(directory, "expected " + Math.max(needed, size) + " free bytes, found " + free);
        }
    }

    private record Temporary(Path path, FileChannel channel) {}

    private static Temporary createTemporary(Path target, FileOperations operations) {
        Path directory = directoryOf(target);
        while (true) {
            String random =
                    HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
            Path path = directory.resolve(prefix(target) + random + SUFFIX);
            FileChannel channel;
            try {
                channel = operations.create(path);
            } catch (FileAlreadyExistsException e) {
                continue;
            } catch (IOException e) {
                throw OutputException.of(directory, "takes no new file", e);
            }
            Temporary created = new Temporary(path, channel);
            try {
                Temporaries.ofProcess().add(path);
                FileLock lock = operations.lock(channel);
                // Another process may have taken the new, still unlocked file for a stale one.
                if (lock != null && Files.exists(path)) {
                    return created;
                }
                discard(created, operations, new IOException("taken for a stale one"));
            } catch (IOException e) {
                OutputException problem = OutputException.of(path, "cannot be locked", e);
                discard(created, operations, problem);
                throw problem;
            } catch (RuntimeException e) {
                discard(created, operations, e);
                throw e;
            }
        }
    }

    private static void discard(Temporary temporary, FileOperations operations, Throwable reason) {
        try {
            temporary.channel().close();
            operations.delete(temporary.path());
        } catch (IOException e) {
            reason.addSuppressed(e);
        } finally {
            Temporaries.ofProcess().remove(temporary.path());
        }
    }

    private static String prefix(Path target) {
        return "." + target.getFileName() + ".";
    }

    private static boolean isTemporaryOf(Path target, Path path) {
        String name = path.getFileName().toString();
        String prefix = prefix(target);
        int digits = name.length() - prefix.length() - SUFFIX.length();
        return digits == Long.BYTES * 2
                && name.startsWith(prefix)
                && name.endsWith(SUFFIX)
                && name.substring(prefix.length(), prefix.length() + digits)
                        .chars()
                        .allMatch(HexFormat::isHexDigit);
    }

    private static List<Path> removeStale(Path target, Path own) {
        List<Path> removed = new ArrayList<>();
        try (DirectoryStream<Path> others = Files.newDirectoryStream(
                directoryOf(target), path -> isTemporaryOf(target, path) && !path.equals(own))) {
            for (Path other : others) {
                // Not even opened when it is ours: closing any descriptor of a file drops the process's POSIX locks.
                if (Temporaries.ofProcess().contains(other)) {
                    throw beingWritten(target, other);
                }
                if (removeUnlocked(target, other)) {
                    removed.add(other);
                }
            }
        } catch (IOException e) {
            throw OutputException.of(target, "cannot be checked for partial files of earlier runs", e);
        }
        return removed;
    }

    private static boolean removeUnlocked(Path target, Path other) throws IOException {
        try (FileChannel channel = FileChannel.open(other, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            if (lock == null) {
                throw beingWritten(target, other);
            }
            Files.deleteIfExists(other);
            return true;
        } catch (NoSuchFileException e) {
            return false;
        } catch (OverlappingFileLockException e) {
            throw beingWritten(target, other);
        }
    }

    private static RefusedException beingWritten(Path target, Path partial) {
        return new RefusedException(
                target,
                "is being written by another run (" + partial.getFileName() + " is locked)",
                "wait for it to end, or give this output another name");
    }
}
