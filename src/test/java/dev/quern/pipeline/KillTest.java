package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real processes that convert a real file, killed again and again. */
class KillTest {
    private static final int KILLS = 50;

    /** A little more than a run from the beginning has; who lives longer ends by himself. */
    private static final int MOST_OPERATIONS = 28;

    @TempDir
    private Path folder;

    private Process start(Path source, Path directory) throws IOException {
        // No time for compilers: most of these live for half a second.
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-XX:-UsePerfData",
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        System.getProperty("java.class.path"),
                        KilledRun.class.getName(),
                        source.toString(),
                        directory.toString())
                .redirectError(
                        ProcessBuilder.Redirect.appendTo(folder.resolve("said").toFile()))
                .start();
    }

    /** W10: fifty seeded moments; a run that was killed is gone on with by the next one, which is killed too. */
    @Test
    void killedFiftyTimesItStillMakesTheSameBytes() throws Exception {
        SmallRun small = new SmallRun(folder, SmallRun.Outputs.ONE);
        Random random = new Random(20261123);
        int kills = 0;
        int finished = 0;
        Path directory = Files.createDirectory(folder.resolve("run-0"));
        while (kills < KILLS) {
            Process process = start(small.source, directory);
            int wanted = 1 + random.nextInt(MOST_OPERATIONS);
            InputStream told = process.getInputStream();
            int count = 0;
            while (count < wanted && told.read() >= 0) {
                count++;
            }
            boolean killed = count == wanted;
            process.destroyForcibly();
            int code = process.waitFor();
            small.assertNothingHalf(directory, false, true);
            if (killed) {
                kills++;
                // The last thing that it says is not the last that it does: its journal may be gone, and its work done.
                if (!SmallRun.list(directory).equals(List.of("model.gguf"))) {
                    continue;
                }
            } else {
                assertThat(code).as(Files.readString(folder.resolve("said"))).isZero();
            }
            small.assertComplete(directory);
            finished++;
            directory = Files.createDirectory(folder.resolve("run-" + finished));
        }
        assertThat(start(small.source, directory).waitFor()).isZero();
        small.assertComplete(directory);
        List<String> said = Files.readAllLines(folder.resolve("said"));
        assertThat(said).anyMatch(line -> line.matches(".* goes on where .* stopped, at [1-9]\\d* %"));
        assertThat(said).noneMatch(line -> line.contains("damaged"));
    }
}
