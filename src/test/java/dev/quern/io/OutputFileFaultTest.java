package dev.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever fails, and whenever: the old file is whole or the new one is, and nothing else lies about. */
class OutputFileFaultTest {
    private static final byte[] OLD = "the old file".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] NEW = "GGUF: the new file".getBytes(StandardCharsets.US_ASCII);
    private static final int HEAD = 4;

    @TempDir
    private Path directory;

    private Path target() {
        return directory.resolve("model.gguf");
    }

    private void writeNew(FileOperations operations) {
        try (OutputFile output = OutputFile.create(target(), NEW.length, List.of(), true, operations)) {
            output.write(ByteBuffer.wrap(NEW, HEAD, NEW.length - HEAD), HEAD);
            output.write(ByteBuffer.wrap(NEW, 0, HEAD), 0);
            output.commit();
        }
    }

    /** W1, W2, W3, W7, W8, W9, W13. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void afterAFaultAtEveryOperationOldOrNewIsWhole(boolean persistent) throws IOException {
        int failing = 1;
        while (true) {
            Files.write(target(), OLD);
            FaultyOperations operations = new FaultyOperations(failing, persistent, 5);
            try {
                writeNew(operations);
                if (!operations.failed()) {
                    break;
                }
                fail("operation %d failed and nobody said so: %s", failing, operations.log());
            } catch (OutputException e) {
                assertThat(e).hasMessageEndingWith(": " + FaultyOperations.REASON);
                boolean published = operations.log().contains("forceDirectory");
                assertThat(target()).hasBinaryContent(published ? NEW : OLD);
                if (published) {
                    assertThat(e)
                            .hasMessageStartingWith(
                                    target() + ": is in place and whole, but its directory cannot be forced to disk");
                }
            }
            assertThat(directory).isDirectoryNotContaining(path -> !path.equals(target()));
            failing++;
        }
        assertThat(target()).hasBinaryContent(NEW);
        // 1 free space, 1 create, 1 lock, 1 extension, 3 + 1 short writes, size, force, move, directory.
        assertThat(failing).isEqualTo(13);
    }

    /** W12: what a power cut may undo is forced before anything that relies on it. */
    @Test
    void everythingIsForcedBeforeItIsReliedOn() {
        FaultyOperations operations = new FaultyOperations(0, false, NEW.length);
        writeNew(operations);
        assertThat(operations.log())
                .containsExactly(
                        "usableSpace",
                        "create",
                        "lock",
                        "write",
                        "write",
                        "write",
                        "size",
                        "force",
                        "move",
                        "forceDirectory");
    }

    @Test
    void afterAFailedWriteNothingIsCommitted() {
        FaultyOperations operations = new FaultyOperations(5, false, NEW.length);
        try (OutputFile output = OutputFile.create(target(), NEW.length, List.of(), false, operations)) {
            assertThatThrownBy(() -> output.write(ByteBuffer.wrap(NEW), 0)).isInstanceOf(OutputException.class);
            output.write(ByteBuffer.wrap(NEW), 0);
            assertThatThrownBy(output::commit)
                    .isInstanceOf(OutputException.class)
                    .hasMessage(target() + ": is incomplete: a write failed before");
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aFileOfAnotherSizeIsNotCommitted() {
        FileOperations shorter = new FileOperations() {
            @Override
            public long size(FileChannel channel) throws IOException {
                return FileOperations.super.size(channel) - 1;
            }
        };
        assertThatThrownBy(() -> writeNew(shorter))
                .isInstanceOf(OutputException.class)
                .hasMessage(target() + ": expected 18 bytes, found 17");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aTemporaryThatCannotBeDeletedIsNamed() {
        FileOperations undeletable = new FileOperations() {
            @Override
            public void delete(Path path) throws IOException {
                throw new IOException("Input/output error");
            }
        };
        OutputFile output = OutputFile.create(target(), 1, List.of(), false, undeletable);
        assertThatThrownBy(output::close)
                .isInstanceOf(OutputException.class)
                .hasMessageMatching(".*/\\.model\\.gguf\\.[0-9a-f]{16}\\.partial: is left behind: Input/output error");
    }

    /** W4, W6: /dev/full answers as a full disk does, and the words are the kernel's. */
    @Test
    void aFullDiskIsReportedInTheSystemsWords() {
        FileOperations full = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                try (FileChannel device = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
                    return FileOperations.super.write(device, bytes, position);
                }
            }
        };
        assertThatThrownBy(() -> writeNew(full))
                .isInstanceOf(OutputException.class)
                .hasMessage(target() + ": cannot be written: No space left on device");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aSystemThatWritesNothingIsNotAskedForEver() {
        FileOperations silent = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) {
                return 0;
            }
        };
        assertThatThrownBy(() -> writeNew(silent))
                .hasMessage(target() + ": cannot be written: the system wrote nothing and gave no reason");
    }
}
