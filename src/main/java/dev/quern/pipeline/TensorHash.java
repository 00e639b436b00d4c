package dev.quern.pipeline;

import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;

/**
 * SHA-256 of one tensor's bytes in an output, taken while its parts arrive in any order from several threads. A part that
 * follows what is hashed already is hashed at once, by the thread that wrote it; one that comes too early is read back
 * when its turn comes, a moment later and from the system's memory, so that nothing is held here.
 */
final class TensorHash {
    private static final int READ_BYTES = 1 << 18;

    private final OutputFile file;
    private final long position;
    private final long bytes;
    private final Map<Long, Integer> early = new HashMap<>();
    private MessageDigest digest = Sha256.digest();
    private boolean busy;
    private long hashed;

    /**
     * @param position of the tensor's first byte in the file
     * @param bytes that the tensor has
     */
    TensorHash(OutputFile file, long position, long bytes) {
        this.file = file;
        this.position = position;
        this.bytes = bytes;
    }

    /** The hash of a tensor's first bytes. */
    record Prefix(long bytes, String sha256) {}

    /**
     * Takes a part that is in the file already.
     *
     * @param from the part's first byte, counted from the tensor's first
     */
    void written(long from, byte[] part, int count) {
        synchronized (this) {
            if (busy || from != hashed) {
                early.put(from, count);
                return;
            }
            busy = true;
        }
        advance(part, count);
        for (int next = nextEarly(); next > 0; next = nextEarly()) {
            readBack(hashed, next);
        }
    }

    /** The length of the part that follows what is hashed; 0 when it has not come, and then somebody else may hash. */
    private synchronized int nextEarly() {
        Integer count = early.remove(hashed);
        if (count == null) {
            busy = false;
            return 0;
        }
        return count;
    }

    private synchronized void advance(byte[] part, int count) {
        digest.update(part, 0, count);
        hashed += count;
    }

    private void readBack(long from, long count) {
        byte[] buffer = new byte[(int) Math.min(READ_BYTES, count)];
        for (long at = from; at < from + count; at += buffer.length) {
            int length = (int) Math.min(buffer.length, from + count - at);
            file.read(ByteBuffer.wrap(buffer, 0, length), position + at);
            advance(buffer, length);
        }
    }

    /** How far the hash has come, without a gap. */
    synchronized long hashed() {
        return hashed;
    }

    boolean isComplete() {
        return hashed() == bytes;
    }

    long bytes() {
        return bytes;
    }

    /** The hash of all bytes without a gap so far. */
    synchronized Prefix prefix() {
        return new Prefix(hashed, Sha256.hex(digest));
    }

    /**
     * Goes on behind what an earlier run wrote, if it is still there.
     *
     * @return whether the file has those bytes; if not, nothing is hashed yet
     */
    boolean restore(Prefix earlier) {
        if (earlier.bytes() < 0 || earlier.bytes() > bytes) {
            return false;
        }
        readBack(0, earlier.bytes());
        if (prefix().equals(earlier)) {
            return true;
        }
        reset();
        return false;
    }

    private synchronized void reset() {
        digest = Sha256.digest();
        hashed = 0;
    }
}
