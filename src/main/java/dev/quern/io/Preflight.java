package dev.quern.io;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;

/** What can be known about an output before its first byte. */
final class Preflight {
    private Preflight() {}

    /**
     * The final name, with a symbolic link followed.
     *
     * @throws RefusedException when the target is one of the inputs, under whatever name, is no regular file, or has no
     *     directory
     */
    static Path resolve(Path target, Collection<Path> inputs) {
        Path directory = directoryOf(target);
        if (!Files.isDirectory(directory)) {
            throw noDirectory(target, directory);
        }
        if (!exists(target)) {
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
        return resolved;
    }

    static boolean exists(Path target) {
        return Files.exists(target, LinkOption.NOFOLLOW_LINKS);
    }

    static RefusedException alreadyExists(Path target) {
        return new RefusedException(target, "already exists", "use --force to replace it");
    }

    static RefusedException beingWritten(Path target, Path partial) {
        return new RefusedException(
                target,
                "is being written by another run (" + partial.getFileName() + " is locked)",
                "wait for it to end, or give this output another name");
    }

    static Path directoryOf(Path target) {
        Path parent = target.toAbsolutePath().getParent();
        if (parent == null) {
            throw new RefusedException(target, "expected a file, found a directory", "name a file");
        }
        return parent;
    }

    static void requireSpace(Path directory, long size, FileOperations operations) {
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

    /** As {@link OutputFile} asks for all outputs of a run together. */
    static void requireSpace(Map<Path, Long> sizes, FileOperations operations) {
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
        directories.forEach((store, directory) -> requireSpace(directory, sums.getOrDefault(store, 0L), operations));
    }

    private static RefusedException noDirectory(Path target, Path directory) {
        return new RefusedException(target, "there is no directory " + directory, "create it first");
    }
}
