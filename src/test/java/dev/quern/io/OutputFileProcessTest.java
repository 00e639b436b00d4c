package dev.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real processes, ended at every step of an output. */
class OutputFileProcessTest {
    private static final byte[] OLD = "the old file".getBytes(StandardCharsets.US_ASCII);
    private static final int HEADER_WRITTEN = 1 + SlowOutput.BLOCKS;
    private static final int COMMITTED = 2 + SlowOutput.BLOCKS;

    @TempDir
    private Path directory;

    private Path target() {
        return directory.resolve("model.gguf");
    }

    private static String folderOf(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }

    private static List<String> java(String... arguments) throws URISyntaxException {
        return java(SlowOutput.class, arguments);
    }

    private static List<String> java(Class<?> program, String... arguments) throws URISyntaxException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                // Its data file would be a second output under the file size limit below.
                "-XX:-UsePerfData",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                folderOf(OutputFile.class) + File.pathSeparator + folderOf(SlowOutput.class),
                program.getName()));
        command.addAll(Arrays.asList(arguments));
        return command;
    }

    /** Starts a writer and returns when it waits after the step. */
    private Process writerAt(int step) throws IOException, URISyntaxException {
        // A shell's background job, as a test run may be, ignores SIGINT and hands that down.
        List<String> command = new ArrayList<>(List.of("env", "--default-signal=INT"));
        command.addAll(java(target().toString(), Integer.toString(step)));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader lines = process.inputReader(StandardCharsets.US_ASCII);
        String last = "step " + step;
        for (String line = lines.readLine(); !last.equals(line); line = lines.readLine()) {
            assertThat(line).startsWith("step ");
        }
        return process;
    }

    private List<Path> partials() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(path -> !path.equals(target())).toList();
        }
    }

    /** W10, W16, W24. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, SlowOutput.BLOCKS, HEADER_WRITTEN, COMMITTED})
    void killedItLeavesTheOldFileOrTheNewOne(int step) throws Exception {
        Files.write(target(), OLD);
        writerAt(step).destroyForcibly().waitFor();
        List<Path> left = partials();
        if (step == COMMITTED) {
            assertThat(target()).hasBinaryContent(SlowOutput.contents());
            assertThat(left).isEmpty();
            return;
        }
        assertThat(target()).hasBinaryContent(OLD);
        assertThat(left).hasSize(1);
        byte[] start = Arrays.copyOf(Files.readAllBytes(left.getFirst()), SlowOutput.HEAD.length);
        if (step == HEADER_WRITTEN) {
            // Complete but for its name.
            assertThat(left.getFirst()).hasBinaryContent(SlowOutput.contents());
        } else {
            assertThat(start).containsOnly(0);
        }
        try (OutputFile next = OutputFile.create(target(), 4, List.of(), true)) {
            assertThat(next.staleRemoved()).isEqualTo(left);
        }
        assertThat(partials()).isEmpty();
        assertThat(target()).hasBinaryContent(OLD);
    }

    /** W10: at moments nobody chose. */
    @Test
    void killedAtAnyMomentItLeavesTheOldFileOrTheNewOne() throws Exception {
        for (int millis = 0; millis < 400; millis += 50) {
            Files.write(target(), OLD);
            Process process = new ProcessBuilder(java(target().toString()))
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            boolean ended = process.waitFor(millis, TimeUnit.MILLISECONDS);
            process.destroyForcibly().waitFor();
            byte[] found = Files.readAllBytes(target());
            if (ended) {
                assertThat(found).isEqualTo(SlowOutput.contents());
            } else {
                assertThat(found).isIn(OLD, SlowOutput.contents());
            }
        }
        OutputFile.create(target(), 4, List.of(), true).close();
        assertThat(partials()).isEmpty();
    }

    /** W11: SIGTERM, as a shell's kill sends it. */
    @Test
    void terminatedItLeavesNothing() throws Exception {
        for (int step : new int[] {0, SlowOutput.BLOCKS, HEADER_WRITTEN}) {
            Process process = writerAt(step);
            process.destroy();
            assertThat(process.waitFor()).isEqualTo(128 + 15);
            assertThat(directory).isEmptyDirectory();
        }
    }

    /** What fails because the process is being ended is not reported: the line about the end says it all. */
    @ParameterizedTest
    @ValueSource(strings = {"create", "publish"})
    void workThatFailsBecauseOfASignalSaysNothing(String next) throws Exception {
        Process process = new ProcessBuilder(java(EndedProgram.class, target().toString(), next)).start();
        assertThat(process.inputReader(StandardCharsets.US_ASCII).readLine()).isEqualTo("ready");
        process.toHandle().destroy();
        assertThat(process.errorReader(StandardCharsets.UTF_8).readAllAsString())
                .isEqualTo("interrupted: ended by a signal; nothing half done is left\n");
        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(directory).isEmptyDirectory();
    }

    /** SIGINT, as Ctrl-C sends it. */
    @Test
    void interruptedItLeavesNothing() throws Exception {
        Process process = writerAt(3);
        new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
        assertThat(process.waitFor()).isEqualTo(128 + 2);
        assertThat(directory).isEmptyDirectory();
    }

    /** W17. */
    @Test
    void twoProcessesDoNotWriteTheSameOutput() throws Exception {
        Process first = writerAt(2);
        Path locked = partials().getFirst();
        assertThatThrownBy(() -> OutputFile.create(target(), 4, List.of(), true))
                .isInstanceOf(RefusedException.class)
                .hasMessage(target() + ": is being written by another run (" + locked.getFileName() + " is locked)");
        assertThat(partials()).containsExactly(locked);
        first.destroyForcibly().waitFor();
        try (OutputFile next = OutputFile.create(target(), 4, List.of(), true)) {
            assertThat(next.staleRemoved()).containsExactly(locked);
        }
    }

    /** W5: the kernel's own refusal, through a limit any user may set. */
    @Test
    void aFileBeyondTheSizeLimitIsReportedAndLeavesNothing() throws Exception {
        List<String> command = new ArrayList<>(List.of("bash", "-c", "ulimit -f 64; exec \"$@\"", "bash"));
        command.addAll(java(target().toString()));
        Process process = new ProcessBuilder(command).start();
        String errors = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(errors).isEqualTo(target() + ": cannot be written: File too large\n");
        assertThat(directory).isEmptyDirectory();
    }
}
