package dev.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputFileTest {
    private static final byte[] TEXT = "contents".getBytes(StandardCharsets.US_ASCII);

    @TempDir
    private Path directory;

    private Path target() {
        return directory.resolve("model.gguf");
    }

    private Path file(String name) throws IOException {
        return Files.write(directory.resolve(name), TEXT);
    }

    private static void write(Path target, boolean overwrite, Path... inputs) {
        try (OutputFile output = OutputFile.create(target, 4, List.of(inputs), overwrite)) {
            output.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 0);
            output.commit();
        }
    }

    private void assertRefused(Path target, boolean overwrite, String problem, String hint, Path... inputs) {
        assertThatThrownBy(() -> write(target, overwrite, inputs))
                .isInstanceOfSatisfying(
                        RefusedException.class, e -> assertThat(e.hint()).isEqualTo(hint))
                .hasMessage(target + ": " + problem);
    }

    @Test
    void appearsWholeAndAlone() {
        try (OutputFile output = OutputFile.create(target(), 10, List.of(), false)) {
            output.write(ByteBuffer.wrap(new byte[] {7, 8}), 8);
            assertThat(target()).doesNotExist();
            output.write(ByteBuffer.wrap(new byte[] {1}), 0);
            assertThat(output.commit()).isEqualTo(target());
            assertThat(output.staleRemoved()).isEmpty();
        }
        assertThat(target()).hasBinaryContent(new byte[] {1, 0, 0, 0, 0, 0, 0, 0, 7, 8});
        assertThat(directory).isDirectoryNotContaining(path -> !path.equals(target()));
    }

    @Test
    void withoutACommitNothingAppears() {
        try (OutputFile output = OutputFile.create(target(), 4, List.of(), false)) {
            output.write(ByteBuffer.wrap(new byte[4]), 0);
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aRelativeTargetStandsInTheWorkingDirectory() {
        Path relative = Path.of("output-file-test-" + new Random().nextInt(1 << 30) + ".gguf");
        try (OutputFile output = OutputFile.create(relative, 1, List.of(), false)) {
            assertThat(output.target()).isEqualTo(relative.toAbsolutePath());
        }
        assertThat(relative).doesNotExist();
    }

    /** W21: whoever writes which part when, the bytes are the same. */
    @Test
    void threadsWriteAtTheirOwnPlaces() throws Exception {
        byte[] expected = new byte[1 << 20];
        new Random(20261001).nextBytes(expected);
        int part = 4099;
        try (OutputFile output = OutputFile.create(target(), expected.length, List.of(), false);
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Callable<Integer>> parts = new ArrayList<>();
            for (int from = 0; from < expected.length; from += part) {
                int begin = from;
                int length = Math.min(part, expected.length - from);
                parts.add(() -> {
                    output.write(ByteBuffer.wrap(expected, begin, length), begin);
                    return length;
                });
            }
            Collections.shuffle(parts, new Random(7));
            int written = 0;
            for (Future<Integer> done : threads.invokeAll(parts)) {
                written += done.get();
            }
            assertThat(written).isEqualTo(expected.length);
            output.commit();
        }
        assertThat(target()).hasBinaryContent(expected);
    }

    @Test
    void writesOutsideThePlanAreErrorsOfOurs() {
        try (OutputFile output = OutputFile.create(target(), 4, List.of(), false)) {
            assertThatThrownBy(() -> output.write(ByteBuffer.allocate(2), 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("2 bytes at 3 leave the 4 bytes of " + target());
            assertThatThrownBy(() -> output.write(ByteBuffer.allocate(2), -1))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void isCommittedOnce() {
        OutputFile output = OutputFile.create(target(), 1, List.of(), false);
        output.commit();
        assertThatThrownBy(output::commit)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(target() + " is already committed");
        output.close();
        output.close();
        assertThat(target()).exists();
    }

    /** W26. */
    @Test
    void anExistingFileIsReplacedOnlyByForce() throws IOException {
        file("model.gguf");
        assertRefused(target(), false, "already exists", "use --force to replace it");
        assertThat(target()).hasBinaryContent(TEXT);
        write(target(), true);
        assertThat(target()).hasBinaryContent(new byte[] {1, 2, 3, 4});
    }

    @Test
    void aFileThatAppearedMeanwhileIsReplacedOnlyByForce() throws IOException {
        try (OutputFile output = OutputFile.create(target(), 4, List.of(), false)) {
            file("model.gguf");
            assertThatThrownBy(output::commit)
                    .isInstanceOf(RefusedException.class)
                    .hasMessage(target() + ": already exists");
        }
        assertThat(target()).hasBinaryContent(TEXT);
    }

    /** W14. */
    @Test
    void theOutputIsNoneOfTheInputs() throws IOException {
        Path input = file("in.gguf");
        Path symbolic = Files.createSymbolicLink(directory.resolve("symbolic.gguf"), input);
        Path hard = Files.createLink(directory.resolve("hard.gguf"), input);
        Path roundabout = directory.resolve("x").resolve("..").resolve("in.gguf");
        Files.createDirectory(directory.resolve("x"));
        String hint = "give the output another name; the input is read from it";
        for (Path output : List.of(input, symbolic, hard, roundabout)) {
            assertRefused(output, true, "is the input " + input, hint, directory.resolve("missing"), input);
        }
        assertRefused(input, true, "is the input " + symbolic, hint, symbolic);
        assertThat(input).hasBinaryContent(TEXT);
    }

    @Test
    void aSymbolicLinkStaysOneAndItsTargetIsReplaced() throws IOException {
        Path real = file("real.gguf");
        Path link = Files.createSymbolicLink(target(), real);
        write(link, true);
        assertThat(link).isSymbolicLink();
        assertThat(real).hasBinaryContent(new byte[] {1, 2, 3, 4});
    }

    @Test
    void aSymbolicLinkToNothingIsRefused() throws IOException {
        Path link = Files.createSymbolicLink(target(), directory.resolve("nowhere"));
        assertRefused(
                link, true, "is a symbolic link to a file that does not exist", "remove the link or name its target");
    }

    @Test
    void directoriesAndDevicesAreNotReplaced() {
        assertRefused(directory, true, "expected a file, found a directory", "name a file");
        Path device = Path.of("/dev/null");
        assertRefused(device, true, "expected a file, found a device, pipe or socket", "name a file");
        assertRefused(Path.of("/"), true, "expected a file, found a directory", "name a file");
    }

    @Test
    void theDirectoryMustBeThere() throws IOException {
        Path missing = directory.resolve("missing");
        assertRefused(missing.resolve("a.gguf"), false, "there is no directory " + missing, "create it first");
        Path noDirectory = file("file");
        assertRefused(noDirectory.resolve("a.gguf"), false, "there is no directory " + noDirectory, "create it first");
    }

    /** W15: nobody, not even root, creates files in /proc; who may not enter a directory is told so by its owner. */
    @Test
    void aDirectoryThatTakesNoFileIsNamed() {
        FileOperations roomy = new FileOperations() {
            @Override
            public long usableSpace(Path path) {
                return Long.MAX_VALUE;
            }
        };
        Path readOnly = Path.of("/proc");
        assertThatThrownBy(() -> OutputFile.create(readOnly.resolve("a.gguf"), 4, List.of(), false, roomy))
                .isInstanceOf(OutputException.class)
                .hasMessageMatching("/proc: takes no new file: (No such file or directory|Permission denied)");
        FileOperations forbidden = new FileOperations() {
            @Override
            public FileChannel create(Path path) throws IOException {
                throw new AccessDeniedException(path.toString());
            }
        };
        assertThatThrownBy(() -> OutputFile.create(target(), 4, List.of(), false, forbidden))
                .isInstanceOf(OutputException.class)
                .hasMessage(directory + ": takes no new file: Permission denied");
    }

    /** W25. */
    @Test
    void spaceIsCheckedBeforeTheFirstByte() {
        long size = Long.MAX_VALUE / 2;
        assertThatThrownBy(() -> OutputFile.create(target(), size, List.of(), false))
                .isInstanceOf(OutputException.class)
                .hasMessageMatching(directory + ": expected " + (size + size / 100) + " free bytes, found [0-9]+");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void severalOutputsMustFitTogether() throws IOException {
        long free = Files.getFileStore(directory).getUsableSpace();
        Path one = directory.resolve("one.gguf");
        Path two = directory.resolve("two.gguf");
        OutputFile.requireSpace(Map.of(one, 1000L, two, 1000L), FileOperations.REAL);
        OutputFile.requireSpace(Map.of(one, free / 3 * 2), FileOperations.REAL);
        assertThatThrownBy(() ->
                        OutputFile.requireSpace(Map.of(one, free / 3 * 2, two, free / 3 * 2), FileOperations.REAL))
                .isInstanceOf(OutputException.class)
                .hasMessageMatching(directory + ": expected [0-9]+ free bytes, found [0-9]+");
        Path missing = directory.resolve("missing");
        assertThatThrownBy(() -> OutputFile.requireSpace(Map.of(missing.resolve("a"), 1L), FileOperations.REAL))
                .isInstanceOf(RefusedException.class)
                .hasMessage(missing.resolve("a") + ": there is no directory " + missing);
    }

    /** W16. */
    @Test
    void stalePartialsOfTheSameNameAreRemovedAndTold() throws IOException {
        Path stale = file(".model.gguf.0123456789abcdef.partial");
        Path other = file(".other.gguf.0123456789abcdef.partial");
        Path longer = file(".model.gguf.gguf.0123456789abcdef.partial");
        Path nearly = file(".model.gguf.0123456789abcdeg.partial");
        try (OutputFile output = OutputFile.create(target(), 4, List.of(), false)) {
            assertThat(output.staleRemoved()).containsExactly(stale);
        }
        assertThat(stale).doesNotExist();
        for (Path kept : Arrays.asList(other, longer, nearly)) {
            assertThat(kept).exists();
        }
    }

    /** W17, within one process. */
    @Test
    void anOutputThatIsBeingWrittenIsNotBegunAgain() {
        try (OutputFile first = OutputFile.create(target(), 4, List.of(), false)) {
            assertThatThrownBy(() -> OutputFile.create(target(), 4, List.of(), true))
                    .isInstanceOfSatisfying(
                            RefusedException.class,
                            e -> assertThat(e.hint()).isEqualTo("wait for it to end, or give this output another name"))
                    .hasMessageMatching(target()
                            + ": is being written by another run \\(\\.model\\.gguf\\.[0-9a-f]{16}\\.partial"
                            + " is locked\\)");
            first.commit();
        }
        assertThat(directory).isDirectoryNotContaining(path -> !path.equals(target()));
    }
}
