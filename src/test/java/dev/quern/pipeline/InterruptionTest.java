package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.quern.io.FaultyOperations;
import dev.quern.io.FileOperations;
import dev.quern.io.OutputException;
import dev.quern.io.RecordedDisk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever ends a conversion, and whenever: nothing is half there, and the same command then makes the same bytes. */
class InterruptionTest {
    /** Ends after so many runs in a row that no fault hit: what the write-back does beside the rest differs a little. */
    private static final int UNDISTURBED_RUNS = 3;

    /** Nanoseconds after each writing. */
    private static final long SHORTEST_PAUSE = 200_000;

    private static final long LONGEST_PAUSE = 64 * SHORTEST_PAUSE;

    @TempDir
    private Path folder;

    private int number;

    private Path directory() throws IOException {
        return Files.createDirectory(folder.resolve("run-" + number++));
    }

    /** W1, W2, W3, W7, W8, W9, W13, W20, W24, for everything that a conversion does. */
    @ParameterizedTest
    @CsvSource({"ONE,false", "ONE,true", "TYPES,false", "PARTS,false", "PARTS,true"})
    void aFaultAtEveryOperation(SmallRun.Outputs outputs, boolean old) throws IOException {
        SmallRun small = new SmallRun(folder, outputs);
        for (boolean lasting : new boolean[] {false, true}) {
            List<String> notices = new ArrayList<>();
            // Not every run begins again from nothing, or the journal would be of no use. Whether one does is the
            // scheduler's choice: on a busy machine the writing waits longer for what is forced beside it.
            for (long pause = SHORTEST_PAUSE; notices.stream().noneMatch(InterruptionTest::goesOn); pause *= 4) {
                assertThat(pause).as("%s", notices).isLessThanOrEqualTo(LONGEST_PAUSE);
                notices.addAll(faultAtEveryOperation(small, old, lasting, pause));
            }
        }
    }

    /** @return what the runs after the failed ones said */
    private List<String> faultAtEveryOperation(SmallRun small, boolean old, boolean lasting, long pause)
            throws IOException {
        List<String> notices = new ArrayList<>();
        int undisturbed = 0;
        for (int failing = 1; undisturbed < UNDISTURBED_RUNS; failing++) {
            Path directory = directory();
            if (old) {
                small.putOld(directory);
            }
            FaultyOperations operations = new FaultyOperations(failing, lasting, 100_000, pause);
            try {
                small.run(directory, SmallRun.options(operations, old, notice -> {}));
                if (operations.failed()) {
                    fail("operation " + failing + " failed and nobody said so");
                }
                undisturbed++;
            } catch (OutputException e) {
                undisturbed = 0;
                assertThat(e).hasMessageContaining(FaultyOperations.REASON).hasMessageNotContaining("\n");
                small.assertNothingHalf(directory, old, false);
            }
            if (undisturbed == 0) {
                small.run(directory, SmallRun.options(FileOperations.UNFORCED, old, notices::add));
            }
            small.assertComplete(directory);
        }
        return notices;
    }

    private static boolean goesOn(String notice) {
        return notice.matches(".* goes on where .* stopped, at [1-9]\\d* %");
    }

    /** W12: whatever the disk had not been told to keep is lost, kept or torn. */
    @ParameterizedTest
    @CsvSource({"ONE,true", "TYPES,false", "PARTS,true"})
    void aPowerCutAtEveryMoment(SmallRun.Outputs outputs, boolean old) throws IOException {
        SmallRun small = new SmallRun(folder, outputs);
        Path recorded = directory();
        if (old) {
            small.putOld(recorded);
        }
        RecordedDisk disk = new RecordedDisk(recorded);
        small.run(recorded, SmallRun.options(disk, old, notice -> {}));
        small.assertComplete(recorded);
        Random random = new Random(20261123);
        List<String> notices = new ArrayList<>();
        for (int moment = 0; moment < disk.moments(); moment++) {
            for (RecordedDisk.Unforced unforced : RecordedDisk.Unforced.values()) {
                Path directory = directory();
                disk.cut(moment, unforced, random, directory);
                small.assertNothingHalf(directory, old, true);
                if (!old && small.isPublished(directory)) {
                    // Nothing is left to do but to forget the journals, and the next --force does that.
                    continue;
                }
                small.run(directory, SmallRun.options(FileOperations.UNFORCED, old, notices::add));
                small.assertComplete(directory);
            }
        }
        assertThat(notices).anyMatch(InterruptionTest::goesOn);
        assertThat(notices).noneMatch(notice -> notice.contains("damaged"));
    }

    /** W4: a disk that somebody else fills meanwhile, a real one where this process may mount one. */
    @Test
    void aDiskThatFillsUpMeanwhile() throws Exception {
        SmallRun small = new SmallRun(folder, SmallRun.Outputs.ONE);
        Path disk = directory();
        boolean mounted = command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk.toString()) == 0;
        try {
            Path filler = disk.resolve("filler");
            FileOperations filling = new FileOperations() {
                @Override
                public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                    // Later than the check of the free space: nobody promised it to this run.
                    if (mounted && bytes.remaining() > 100_000 && !Files.exists(filler)) {
                        Files.write(filler, new byte[(int) usableSpace(disk) - 50_000]);
                    }
                    if (!mounted && bytes.remaining() > 100_000) {
                        try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
                            return full.write(bytes);
                        }
                    }
                    return FileOperations.super.write(channel, bytes, position);
                }
            };
            assertThatThrownBy(() -> small.run(disk, SmallRun.options(filling, false, notice -> {})))
                    .isInstanceOf(OutputException.class)
                    .hasMessage(disk.resolve("model.gguf") + ": cannot be written: No space left on device");
            Files.deleteIfExists(filler);
            small.assertNothingHalf(disk, false, false);
            small.run(disk, SmallRun.options(FileOperations.REAL, false, notice -> {}));
            small.assertComplete(disk);
        } finally {
            if (mounted) {
                command("umount", disk.toString());
            }
        }
    }

    private static int command(String... command) throws Exception {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }
}
