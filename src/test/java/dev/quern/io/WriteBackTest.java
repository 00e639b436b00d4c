package dev.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Large outputs go to the disk while they are made, and what the disk says about that is not lost. */
class WriteBackTest {
    private static final int CHUNK = 1 << 20;
    private static final long CHUNKS = 3 * WriteBack.STEP / CHUNK;

    @TempDir
    private Path directory;

    /** Counts forces, and writes nothing but the last byte: the file has its size and takes no space. */
    private static class Counted implements FileOperations {
        final AtomicInteger forces = new AtomicInteger();
        final AtomicInteger concurrent = new AtomicInteger();
        final AtomicInteger mostConcurrent = new AtomicInteger();

        @Override
        public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
            if (bytes.remaining() == 1) {
                return FileOperations.super.write(channel, bytes, position);
            }
            int count = bytes.remaining();
            bytes.position(bytes.limit());
            return count;
        }

        @Override
        public void force(FileChannel channel) throws IOException {
            mostConcurrent.accumulateAndGet(concurrent.incrementAndGet(), Math::max);
            try {
                answer(forces.incrementAndGet());
            } finally {
                concurrent.decrementAndGet();
            }
        }

        /** @param force 1 for the first */
        void answer(int force) throws IOException {
            assertThat(force).isPositive();
        }
    }

    private Path write(FileOperations operations) {
        Path target = directory.resolve("model.gguf");
        try (OutputFile output = OutputFile.create(target, CHUNKS * CHUNK, List.of(), false, operations)) {
            byte[] chunk = new byte[CHUNK];
            for (long i = 0; i < CHUNKS; i++) {
                output.write(ByteBuffer.wrap(chunk), i * CHUNK);
            }
            return output.commit();
        }
    }

    @Test
    void aLargeFileIsForcedBeforeItsEndAndOnceMoreThere() {
        Counted operations = new Counted();
        assertThat(write(operations)).hasSize(CHUNKS * CHUNK);
        assertThat(operations.forces).hasValueBetween(2, 4);
        assertThat(operations.mostConcurrent).hasValue(1);
    }

    @Test
    void whileOneForceIsSlowNoOtherIsStartedAndTheLastWaitsForIt() {
        CountDownLatch lastBytes = new CountDownLatch(1);
        Thread writer = Thread.currentThread();
        Counted operations = new Counted() {
            private long written;

            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                written += bytes.remaining();
                if (written > CHUNKS * CHUNK) {
                    lastBytes.countDown();
                }
                return super.write(channel, bytes, position);
            }

            @Override
            void answer(int force) throws IOException {
                try {
                    lastBytes.await();
                    // Slow until the writer has nothing to do but to wait for it.
                    while (Thread.currentThread() != writer && writer.getState() != Thread.State.WAITING) {
                        Thread.sleep(1);
                    }
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
        };
        write(operations);
        assertThat(operations.forces).hasValue(2);
        assertThat(operations.mostConcurrent).hasValue(1);
    }

    @Test
    void aForceThatFailsOnTheWayFailsTheCommitAlthoughALaterOneWouldSucceed() {
        Counted operations = new Counted() {
            @Override
            void answer(int force) throws IOException {
                if (force == 1) {
                    throw new IOException("Input/output error");
                }
            }
        };
        assertThatThrownBy(() -> write(operations))
                .isInstanceOf(OutputException.class)
                .hasMessage(directory.resolve("model.gguf") + ": cannot be forced to disk: Input/output error");
        assertThat(operations.forces).hasValue(1);
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void anOutputThatIsNotForcedIsStillThereAndWhole() {
        Path target = directory.resolve("model.gguf");
        byte[] contents = {1, 2, 3};
        try (OutputFile output =
                OutputFile.create(target, contents.length, List.of(), false, FileOperations.UNFORCED)) {
            output.write(ByteBuffer.wrap(contents), 0);
            output.commit();
        }
        assertThat(target).hasBinaryContent(contents);
    }
}
