package dev.quern.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The real file system, except that the n-th operation fails: once, or from then on (SQLite's I/O-error loop). Deleting
 * never fails, as it does not on a full disk. Keeps a log of what was asked.
 */
public final class FaultyOperations implements FileOperations {
    public static final String REASON = "No space left on device";

    private final int failing;
    private final boolean persistent;
    private final int bytesAtOnce;
    private final long pauseNanos;
    private final List<String> log = new ArrayList<>();
    private int count;

    /** @param failing 1 for the first operation, 0 for none */
    public FaultyOperations(int failing, boolean persistent, int bytesAtOnce) {
        this(failing, persistent, bytesAtOnce, 200_000);
    }

    /** @param pauseNanos after each writing: what is forced beside it comes to its turn on a busy machine too */
    public FaultyOperations(int failing, boolean persistent, int bytesAtOnce, long pauseNanos) {
        this.failing = failing;
        this.persistent = persistent;
        this.bytesAtOnce = bytesAtOnce;
        this.pauseNanos = pauseNanos;
    }

    List<String> log() {
        return log;
    }

    public synchronized boolean failed() {
        return failing > 0 && count >= failing;
    }

    private synchronized void step(String operation) throws IOException {
        log.add(operation);
        count++;
        if (count == failing || persistent && failed()) {
            throw new IOException(REASON);
        }
    }

    @Override
    public FileChannel create(Path path) throws IOException {
        step("create");
        return FileOperations.super.create(path);
    }

    @Override
    public FileChannel reopen(Path path) throws IOException {
        step("reopen");
        return FileOperations.super.reopen(path);
    }

    @Override
    public @Nullable FileLock lock(FileChannel channel) throws IOException {
        step("lock");
        return FileOperations.super.lock(channel);
    }

    @Override
    public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        step("write");
        ByteBuffer part = bytes.slice(bytes.position(), Math.min(bytesAtOnce, bytes.remaining()));
        int written = FileOperations.super.write(channel, part, position);
        bytes.position(bytes.position() + written);
        LockSupport.parkNanos(pauseNanos);
        return written;
    }

    @Override
    public int read(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
        step("read");
        return FileOperations.super.read(channel, bytes, position);
    }

    @Override
    public long size(FileChannel channel) throws IOException {
        step("size");
        return FileOperations.super.size(channel);
    }

    @Override
    public void force(FileChannel channel) throws IOException {
        // Counted, not done: nothing here survives the test, and a thousand runs have thousands of forces.
        step("force");
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        step("move");
        FileOperations.super.move(from, to);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        step("forceDirectory");
    }

    @Override
    public long usableSpace(Path directory) throws IOException {
        step("usableSpace");
        return FileOperations.super.usableSpace(directory);
    }
}
