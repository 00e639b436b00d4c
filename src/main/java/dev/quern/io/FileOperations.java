package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** What {@link OutputFile} asks of the file system, one method for each thing that can fail; tests make them fail. */
public interface FileOperations {
    FileOperations REAL = new FileOperations() {};

    /** Leaves the bytes to the system, which writes them when it likes. */
    FileOperations UNFORCED = new FileOperations() {
        @Override
        public void force(FileChannel channel) {}

        @Override
        public void forceDirectory(Path directory) {}
    };

    /** A new file, to be written and read again. */
    default FileChannel create(Path path) throws IOException {
        return FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** A file that an earlier run left. */
    default FileChannel reopen(Path path) throws IOException {
        return FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** The lock, or null when another process holds it. */
    default @Nullable FileLock lock(FileChannel channel) throws IOException {
        return channel.tryLock();
    }

    /** May write less than it was given. */
    default int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        return channel.write(bytes, position);
    }

    /** May read less than there is room for; -1 at the end of the file. */
    default int read(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        return channel.read(bytes, position);
    }

    default long size(FileChannel channel) throws IOException {
        return channel.size();
    }

    default void force(FileChannel channel) throws IOException {
        channel.force(true);
    }

    /** Never falls back to a copy, which would let a half-written file be seen. */
    default void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Without it a rename may be lost with the power (LUCENE-5570). */
    default void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    default void delete(Path path) throws IOException {
        Files.deleteIfExists(path);
    }

    /** Bytes that this process may still write to the directory's file system. */
    default long usableSpace(Path directory) throws IOException {
        return Files.getFileStore(directory).getUsableSpace();
    }
}
