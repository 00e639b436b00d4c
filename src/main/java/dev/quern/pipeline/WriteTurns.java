package dev.quern.pipeline;

import java.util.ArrayDeque;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Lets one thread at a time write to an output. Linux would do so anyway (an inode's lock), and let those that come
 * meanwhile spin: 18 % of the processor time of a conversion to Q8_0 by two threads. Here they leave their bytes with the
 * thread that writes and go on.
 */
final class WriteTurns {
    /** Parts that wait; who brings one more writes it, so that memory stays bounded when the disk is what is slow. */
    static final int MOST_WAITING = 4;

    private final ReentrantLock turn = new ReentrantLock();
    private final ArrayDeque<Part> waiting = new ArrayDeque<>();
    private final ArrayDeque<byte[]> spare = new ArrayDeque<>();

    /** Bytes to be written, which nobody changes until they are. */
    record Part(byte[] bytes, Runnable write) {}

    /**
     * Writes a part, now or as soon as another thread has written its own.
     *
     * @return an array that the caller may use: the part's own, or another in its place
     */
    byte[] write(Part part) {
        if (!turn.tryLock()) {
            byte[] other = leave(part);
            if (other != null) {
                // Its writer may have gone meanwhile.
                writeWaiting();
                return other;
            }
            turn.lock();
        }
        try {
            part.write.run();
        } finally {
            turn.unlock();
        }
        writeWaiting();
        return part.bytes;
    }

    private synchronized byte @Nullable [] leave(Part part) {
        if (waiting.size() == MOST_WAITING) {
            return null;
        }
        waiting.add(part);
        byte[] other = spare.poll();
        return other == null ? new byte[0] : other;
    }

    /** When this returns, every part that waited is written or has a thread that writes it. */
    private void writeWaiting() {
        while (isWaiting() && turn.tryLock()) {
            try {
                for (Part part = next(); part != null; part = next()) {
                    part.write.run();
                    giveBack(part.bytes);
                }
            } finally {
                turn.unlock();
            }
        }
    }

    private synchronized boolean isWaiting() {
        return !waiting.isEmpty();
    }

    private synchronized @Nullable Part next() {
        return waiting.poll();
    }

    private synchronized void giveBack(byte[] bytes) {
        spare.add(bytes);
    }
}
