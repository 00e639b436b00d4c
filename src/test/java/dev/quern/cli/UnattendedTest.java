package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** Commands that nobody watches: ended by signals and full disks, in other surroundings, with hashes beside the result. */
class UnattendedTest {
    private static final Path MODEL = Tampered.HUGGING_FACE.toAbsolutePath();

    @TempDir
    Path folder;

    private Path out() {
        return folder.resolve("m.gguf");
    }

    private byte[] undisturbed(String type) throws IOException {
        Path file = folder.resolve("undisturbed.gguf");
        Cli.Run run = Cli.run("convert", MODEL, "-t", type, "-o", file, "--quiet");
        assertThat(run.code()).as(run.err()).isZero();
        byte[] bytes = Files.readAllBytes(file);
        Files.delete(file);
        return bytes;
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private record Ended(int code, String err) {}

    private static Ended end(Process process) throws Exception {
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Ended(process.exitValue(), notWarnings(err));
    }

    private static String notWarnings(String err) {
        return String.join(
                "\n",
                err.lines()
                        .filter(line -> !line.startsWith("WARNING") && !line.startsWith("SLF4J"))
                        .toList());
    }

    private Process slow(String... more) throws IOException {
        List<Object> arguments = new ArrayList<>(List.of(
                "convert", MODEL, "-t", "Q4_K_M", "-o", out(), "--kernel", "scalar", "--threads", "1", "--quiet"));
        arguments.addAll(Arrays.asList(more));
        return Cli.process(arguments.toArray()).start();
    }

    private void await(Process process, String suffix, int lines) throws Exception {
        while (process.isAlive()) {
            for (String name : names()) {
                if (name.endsWith(suffix)
                        && (lines == 0
                                || Files.readAllLines(folder.resolve(name)).size() >= lines)) {
                    return;
                }
            }
            Thread.sleep(2);
        }
    }

    /** W11: what would be done again in seconds is not kept. */
    @Test
    void terminatedASmallRunLeavesNothing() throws Exception {
        Process process = slow();
        await(process, ".partial", 0);
        process.toHandle().destroy(); // Process.destroy would close the streams too.
        Ended ended = end(process);
        assertThat(ended.code()).isEqualTo(1);
        assertThat(ended.err()).isEqualTo("interrupted: ended by a signal; nothing half done is left");
        assertThat(names()).isEmpty();
    }

    /** W11, W10: what is wanted is kept, and the same command ends it. */
    @Test
    void terminatedARunThatResumesIsGoneOnWith() throws Exception {
        byte[] expected = undisturbed("Q4_K_M");
        Process process = slow("--resume");
        await(process, ".journal", 3);
        process.toHandle().destroy(); // Process.destroy would close the streams too.
        Ended ended = end(process);
        assertThat(ended.code()).isEqualTo(1);
        assertThat(ended.err())
                .matches("interrupted: what is done is kept in " + folder + "/\\.m\\.gguf\\.[0-9a-f]{16}\\.partial; "
                        + "the same command goes on from there, --no-resume starts over, "
                        + "rm " + folder + "/\\.m\\.gguf\\.[0-9a-f]{16}\\.\\* gives it up");
        assertThat(names()).hasSize(2).allMatch(name -> name.matches("\\.m\\.gguf\\..*\\.(partial|journal)"));
        Cli.Run again = Cli.run("convert", MODEL, "-t", "Q4_K_M", "-o", out(), "--resume");
        assertThat(again.code()).isZero();
        assertThat(again.firstError()).matches("note: " + out() + ": goes on where .* stopped, at [1-9]\\d* %");
        assertThat(out()).hasBinaryContent(expected);
        assertThat(names()).containsExactly("m.gguf");
    }

    /** W5: the kernel's own limit on a file's size. The old file stays, and with room the same command ends the work. */
    @Test
    void beyondTheKernelsLimit() throws Exception {
        byte[] expected = undisturbed("F16");
        Files.writeString(out(), "old");
        ProcessBuilder java = Cli.process("convert", MODEL, "-o", out(), "--force", "--quiet", "--no-resume");
        List<String> command = new ArrayList<>(List.of("bash", "-c", "ulimit -f 4000; exec \"$@\"", "bash"));
        command.addAll(java.command());
        Ended ended = end(new ProcessBuilder(command).start());
        assertThat(ended.err()).isEqualTo("error: " + out() + ": cannot be written: File too large");
        assertThat(ended.code()).isEqualTo(1);
        assertThat(out()).hasContent("old");
        assertThat(names()).containsExactly("m.gguf");
        assertThat(Cli.run("convert", MODEL, "-o", out(), "--force").code()).isZero();
        assertThat(out()).hasBinaryContent(expected);
    }

    /** W4, W25: a real disk that is too small, where this process may mount one; elsewhere the system's full device. */
    @Test
    void onADiskThatIsTooSmall() throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        boolean mounted = run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk.toString()) == 0;
        try {
            Path target = (mounted ? disk : Path.of("/proc")).resolve("m.gguf");
            Cli.Run run = Cli.run("convert", MODEL, "-o", target, "--quiet");
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).matches("error: " + target.getParent() + ": expected \\d+ free bytes, found \\d+\n");
            try (Stream<Path> left = Files.list(disk)) {
                assertThat(left).isEmpty();
            }
        } finally {
            if (mounted) {
                run("umount", disk.toString());
            }
        }
    }

    private static int run(String... command) throws Exception {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    /** W14: whatever the input is called. */
    @Test
    void theOutputIsNoInput() throws Exception {
        Path in = folder.resolve("in.gguf");
        assertThat(Cli.run("convert", MODEL, "-o", in, "--quiet").code()).isZero();
        byte[] before = Files.readAllBytes(in);
        Path hard = Files.createLink(folder.resolve("hard.gguf"), in);
        Path symbolic = Files.createSymbolicLink(folder.resolve("symbolic.gguf"), in);
        for (Path target : List.of(in, hard, symbolic)) {
            Cli.Run run = Cli.run("quantize", "--force", in, target, "Q8_0");
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.firstError()).isEqualTo("error: " + target + ": is the input " + in);
        }
        assertThat(in).hasBinaryContent(before);
        Path matrix = Files.copy(Path.of("test-data/golden/imatrix.gguf"), folder.resolve("imatrix.gguf"));
        Cli.Run run = Cli.run("quantize", "--force", "--imatrix", matrix, in, matrix, "Q4_0");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).isEqualTo("error: " + matrix + ": is the input " + matrix);
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Path config = model.resolve("config.json");
        assertThat(Cli.run("convert", model, "-o", config, "--force").firstError())
                .isEqualTo("error: " + config + ": is the input " + config);
        assertThat(Cli.run("convert", model, "-o", out(), "--manifest", config, "--force")
                        .firstError())
                .isEqualTo("error: " + config + ": is the input " + config);
    }

    /** W21, W22: another user's surroundings, and another number of threads. */
    @Test
    void theBytesDoNotDependOnTheSurroundings() throws Exception {
        byte[] expected = undisturbed("Q4_K_M");
        Path elsewhere = Files.createDirectory(folder.resolve("else where"));
        Path copy = Tampered.copy(Tampered.HUGGING_FACE, elsewhere);
        ProcessBuilder other =
                Cli.process("convert", copy.getFileName(), "-t", "Q4_K_M", "-o", "m.gguf", "--threads", "1", "--quiet");
        List<String> command = new ArrayList<>(other.command());
        command.addAll(1, List.of("-Duser.language=tr", "-Duser.country=TR", "-Duser.name=somebody"));
        other.command(command);
        other.directory(elsewhere.toFile());
        other.environment().putAll(Map.of("TZ", "Asia/Kathmandu", "LC_ALL", "C", "HOME", "/nowhere"));
        Ended ended = end(other.start());
        assertThat(ended.code()).as(ended.err()).isZero();
        assertThat(elsewhere.resolve("m.gguf")).hasBinaryContent(expected);
    }

    @Test
    void hashesForTheUsualTools() throws Exception {
        Path manifest = folder.resolve("m.sha256");
        Path sums = folder.resolve("SHA256SUMS");
        String other = "0".repeat(64) + "  other.gguf";
        Files.writeString(sums, other + "\n" + "1".repeat(64) + "  m-q8_0.gguf\n");
        Cli.Run run = Cli.run(
                "convert",
                MODEL,
                "-t",
                "F16,Q8_0",
                "-o",
                folder.resolve("m-{ftype}.gguf"),
                "--manifest",
                manifest,
                "--sha256sums",
                "--json");
        assertThat(run.code()).as(run.err()).isZero();
        List<String> lines = Files.readAllLines(sums);
        assertThat(lines).hasSize(3).contains(other);
        Files.write(sums, lines.subList(1, 3));
        Process check = new ProcessBuilder("sha256sum", "--strict", "-c", "SHA256SUMS")
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        assertThat(new String(check.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEqualTo("m-f16.gguf: OK\nm-q8_0.gguf: OK\n");
        String first = JsonMapper.builder()
                .build()
                .readTree(run.out().lines().findFirst().orElseThrow())
                .get("sha256")
                .asString();
        assertThat(lines).contains(first + "  m-f16.gguf");
        List<String> tensors = Files.readAllLines(manifest);
        assertThat(tensors)
                .hasSize(2 * 39)
                .allMatch(line -> line.matches("sha256    [0-9a-f]{64}  m-(f16|q8_0)\\.gguf:.*"));
        // Before the work, not after it.
        Cli.Run again = Cli.run("convert", MODEL, "-o", out(), "--manifest", manifest);
        assertThat(again.code()).isEqualTo(2);
        assertThat(again.firstError()).isEqualTo("error: " + manifest + ": already exists");
        assertThat(out()).doesNotExist();
        assertThat(Cli.run("convert", MODEL, "-o", out(), "--manifest", out()).firstError())
                .isEqualTo("error: " + out() + ": is the output itself");
    }
}
