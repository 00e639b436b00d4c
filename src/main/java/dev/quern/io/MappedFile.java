package dev.quern.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A whole input file, mapped read-only. Reads go through {@link Region}, which checks every range against the size the
 * file had when it was opened.
 */
public final class MappedFile implements AutoCloseable {
    private final FileIdentity identity;
    private final long size;
    private final Arena arena;
    private final MemorySegment segment;

    private MappedFile(FileIdentity identity, long size, Arena arena, MemorySegment segment) {
        this.identity = identity;
        this.size = size;
        this.arena = arena;
        this.segment = segment;
    }

    /** @throws InputException when the path is not a readable regular file */
    public static MappedFile open(Path path) {
        if (Files.isDirectory(path)) {
            throw InputException.of(path, "expected a file, found a directory");
        }
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw InputException.of(path, "expected a regular file, found a device, pipe or socket");
        }
        // Shared, because tiles are read by several threads; closed once, at the end (closing is a handshake with all
        // threads, JDK-8290892).
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            FileIdentity identity = FileIdentity.of(path);
            long size = channel.size();
            MemorySegment segment = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            return new MappedFile(identity, size, arena, segment);
        } catch (InputException e) {
            arena.close();
            throw e;
        } catch (NoSuchFileException e) {
            arena.close();
            throw InputException.of(path, "no such file").withCause(e);
        } catch (IOException e) {
            arena.close();
            throw InputException.of(path, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    public Path path() {
        return identity.path();
    }

    /** The file as it was when it was opened. */
    public FileIdentity identity() {
        return identity;
    }

    /** Bytes in the file when it was opened. */
    public long size() {
        return size;
    }

    public Region region() {
        return new Region(this, 0, size);
    }

    MemorySegment segment() {
        return segment;
    }

    @Override
    public void close() {
        arena.close();
    }
}
