package dev.quern.pipeline;

import dev.quern.io.OutputFile;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;

/** How much of a tensor is in an output, without a gap from its first byte on, with a checksum of it. */
final class TensorExtent {
    private static final int READ_BYTES = 1 << 18;

    private final OutputFile file;
    private final long position;
    private final long bytes;
    private final Map<Long, Part> early = new HashMap<>();
    private Prefix prefix = Prefix.NONE;

    /**
     * @param position of the tensor's first byte in the file
     * @param bytes that the tensor has
     */
    TensorExtent(OutputFile file, long position, long bytes) {
        this.file = file;
        this.position = position;
        this.bytes = bytes;
    }

    /** A tensor's first bytes. */
    record Prefix(long bytes, int checksum) {
        static final Prefix NONE = new Prefix(0, 0);

        Prefix and(Part part) {
            return new Prefix(bytes + part.bytes, Checksum.joined(checksum, part.checksum, part.bytes));
        }
    }

    record Part(int bytes, int checksum) {}

    /**
     * Takes note of a part that is in the file now. Parts may come in any order and from several threads.
     *
     * @param from the part's first byte, counted from the tensor's first
     */
    void written(long from, byte[] part, int count) {
        Part written = new Part(count, Checksum.of(part, count));
        synchronized (this) {
            early.put(from, written);
            for (Part next = early.remove(prefix.bytes); next != null; next = early.remove(prefix.bytes)) {
                prefix = prefix.and(next);
            }
        }
    }

    synchronized Prefix prefix() {
        return prefix;
    }

    boolean isComplete() {
        return prefix().bytes() == bytes;
    }

    /**
     * Goes on behind what an earlier run wrote, if it is still there.
     *
     * @return whether the file has those bytes; if not, none count
     */
    boolean restore(Prefix earlier) {
        if (earlier.bytes() < 0 || earlier.bytes() > bytes) {
            return false;
        }
        Prefix found = Prefix.NONE;
        byte[] buffer = new byte[(int) Math.min(READ_BYTES, earlier.bytes())];
        while (found.bytes() < earlier.bytes()) {
            int count = (int) Math.min(buffer.length, earlier.bytes() - found.bytes());
            file.read(ByteBuffer.wrap(buffer, 0, count), position + found.bytes());
            found = found.and(new Part(count, Checksum.of(buffer, count)));
        }
        if (!found.equals(earlier)) {
            return false;
        }
        synchronized (this) {
            prefix = found;
        }
        return true;
    }
}
