package dev.quern.pipeline;

import dev.quern.io.OutputFile;
import dev.quern.io.Sha256;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;

/**
 * SHA-256 of one tensor's bytes in an output, taken while its parts arrive in any order from several threads. A part that
 * follows what is hashed already is hashed at once, by the thread that made it and while its cache has it; one that comes
 * too early is read back when its turn comes, a moment later and from the system's memory, so that nothing is held here.
 */
final class TensorHash {
    private static final int READ_BYTES = 1 << 18;

    private final OutputFile file;
    private final long position;
    private final long bytes;
    private final Map<Long, Integer> early = new HashMap<>();
    private final MessageDigest digest = Sha256.digest();
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

    /**
     * Takes a part if its turn has come, whether it is in the file or not.
     *
     * @param from the part's first byte, counted from the tensor's first
     * @return whether it was taken; if not, it has to be given to {@link #written}
     */
    boolean isNext(long from, byte[] part, int count) {
        synchronized (this) {
            if (busy || from != hashed) {
                return false;
            }
            busy = true;
        }
        takeAll(part, count);
        return true;
    }

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
        takeAll(part, count);
    }

    private void takeAll(byte[] part, int count) {
        advance(part, count);
        for (int next = nextEarly(); next > 0; next = nextEarly()) {
            readBack(hashed(), next);
        }
    }

    private synchronized long hashed() {
        return hashed;
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

    /** Nobody else touches the digest while one is busy, so that others need not wait to say that they are early. */
    private void advance(byte[] part, int count) {
        digest.update(part, 0, count);
        synchronized (this) {
            hashed += count;
        }
    }

    private void readBack(long from, long count) {
        byte[] buffer = new byte[(int) Math.min(READ_BYTES, count)];
        for (long at = from; at < from + count; at += buffer.length) {
            int length = (int) Math.min(buffer.length, from + count - at);
            file.read(ByteBuffer.wrap(buffer, 0, length), position + at);
            advance(buffer, length);
        }
    }

    /** Goes on behind bytes that an earlier run wrote. */
    void restore(long earlier) {
        readBack(0, earlier);
    }

    /**
     * Of all bytes, 64 hexadecimal digits.
     *
     * @throws IllegalStateException when some have not come
     */
    synchronized String sha256() {
        if (hashed != bytes) {
            throw new IllegalStateException(hashed + " of " + bytes + " bytes written");
        }
        return Sha256.hex(digest);
    }
}
