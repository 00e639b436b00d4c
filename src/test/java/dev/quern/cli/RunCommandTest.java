package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.pipeline.Family;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Batches as people run them: interrupted, again, with a source that is damaged and a gate that cannot be passed. */
class RunCommandTest {
    @TempDir
    Path folder;

    private Path recipe;

    @BeforeEach
    void text() throws IOException {
        recipe = folder.resolve("recipe.yaml");
        // Two windows of 64 tokens and some more.
        Files.write(folder.resolve("text.txt"), java.util.Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
    }

    private void source(String name, Path from) throws IOException {
        Path target = Files.createDirectories(folder.resolve("models").resolve(name));
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
    }

    private void fiveSources() throws IOException {
        source("a-meta", Tampered.META);
        source("b-strict", Tampered.HUGGING_FACE);
        source("c-truncated", Tampered.HUGGING_FACE);
        Path weights = folder.resolve("models/c-truncated/model.safetensors");
        Files.write(weights, java.util.Arrays.copyOf(Files.readAllBytes(weights), 5_000_000));
        source("d-plain", Tampered.HUGGING_FACE);
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", folder.resolve("models/e.gguf"), "--quiet")
                        .code())
                .isZero();
        write("""
            version: 1
            name: Five <b>sources</b>
            sources: [models/*]
            outputs: [Q8_0, {type: Q4_0, name: small}]
            evaluation: {texts: [text.txt], context: 64, chunks: 2}
            gates:
              all: {size: 8MB, kld: 0.5}
              b-strict/small: {kld: 0.0000001}
            continue_on_error: true
            """);
    }

    private void write(String text) throws IOException {
        Files.writeString(recipe, text);
    }

    private RunReport report() {
        return ReportFile.read(folder.resolve("out/report.json"));
    }

    private static Status status(RunReport report, String source) {
        return report.sources().stream()
                .filter(s -> s.name().equals(source))
                .findFirst()
                .orElseThrow()
                .status();
    }

    private Map<String, FileTime> outputs() throws IOException {
        Map<String, FileTime> times = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder.resolve("out"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".gguf")).toList()) {
                times.put(file.getFileName().toString(), Files.getLastModifiedTime(file));
            }
        }
        return times;
    }

    /** Once, where the files of a family are made. */
    @Test
    void whatRunnersCannotDoIsSaid() throws Exception {
        Family.of("gptj").write(Files.createDirectories(folder.resolve("models")));
        write("""
            version: 1
            sources: [models/*]
            outputs: [F16, Q8_0]
            """);
        Cli.Run run = Cli.run("run", recipe);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err().lines().filter(line -> line.contains("note: llama.cpp v0.5.0 has names for GPT-J's")))
                .hasSize(1);
        assertThat(Cli.run("run", recipe).err()).doesNotContain("note:");
    }

    @Test
    void interruptedOnceAndRunTwice() throws Exception {
        fiveSources();
        // Interrupted when the second source is converted: the first is done, and its page is there.
        ProcessBuilder builder = Cli.process("run", recipe);
        builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
        Process process = builder.start();
        try (BufferedReader lines = process.errorReader(StandardCharsets.UTF_8)) {
            String line = lines.readLine();
            while (line != null && !line.startsWith("b-strict: Q8_0")) {
                line = lines.readLine();
            }
            assertThat(line).isNotNull();
            process.toHandle().destroy(); // Process.destroy would close the streams too.
            assertThat(lines.readAllAsString())
                    .endsWith("interrupted: what is done is kept in " + folder.resolve("out")
                            + "; the same command goes on from there\n");
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(process.exitValue()).isEqualTo(1);
        RunReport interrupted = report();
        assertThat(status(interrupted, "a-meta")).isEqualTo(Status.DONE);
        assertThat(status(interrupted, "b-strict")).isEqualTo(Status.NOT_RUN);
        Map<String, FileTime> first = outputs();
        assertThat(first)
                .containsOnlyKeys("a-meta-Q8_0.gguf", "a-meta-small.gguf", "b-strict-Q8_0.gguf", "b-strict-small.gguf");

        // The same command goes on: what is there is not made again.
        Cli.Run second = Cli.run("run", recipe);
        assertThat(second.code()).isEqualTo(3);
        RunReport complete = report();
        assertThat(status(complete, "a-meta")).isEqualTo(Status.UP_TO_DATE);
        assertThat(status(complete, "b-strict")).isEqualTo(Status.DONE);
        assertThat(status(complete, "c-truncated")).isEqualTo(Status.REFUSED);
        assertThat(status(complete, "d-plain")).isEqualTo(Status.DONE);
        assertThat(status(complete, "e")).isEqualTo(Status.DONE);
        assertThat(complete.exitCode()).isEqualTo(3);
        assertThat(complete.gates(RunReport.Verdict.FAILED)).isEqualTo(1);
        assertThat(complete.gates(RunReport.Verdict.PASSED)).isEqualTo(16);
        assertThat(complete.gates(RunReport.Verdict.NOT_JUDGED)).isEqualTo(4);
        assertThat(outputs()).containsAllEntriesOf(first).hasSize(8);
        assertThat(second.out())
                .contains("gate b-strict/small on text.txt: kld<=0.0000001 failed: found ")
                .contains("c-truncated refused: ")
                .endsWith("5 sources, 1 refused; gates: 16 passed, 1 failed, 4 not judged; exit code 3\n");

        // A third time there is nothing to do, and the result is the same.
        Map<String, FileTime> made = outputs();
        assertThat(Cli.run("run", recipe, "--quiet").code()).isEqualTo(3);
        assertThat(status(report(), "d-plain")).isEqualTo(Status.UP_TO_DATE);
        assertThat(outputs()).isEqualTo(made);

        // Without the damaged source the failed gate alone decides.
        Cli.Run only = Cli.run("run", recipe, "--only", "b-*", "--only", "e", "--quiet");
        assertThat(only.code()).isEqualTo(4);
        assertThat(report().sources()).extracting(RunReport.SourceResult::name).containsExactly("b-strict", "e");
        assertThat(Cli.run("run", recipe, "--only", "d-plain/Q8_0", "--quiet").code())
                .isZero();
    }

    private void oneSource(String more) throws IOException {
        write("""
            version: 1
            sources: [models/one]
            outputs: [Q4_0]
            """ + more);
    }

    @Test
    void whatChangedIsDoneAgain() throws Exception {
        source("one", Tampered.HUGGING_FACE);
        oneSource("");
        assertThat(Cli.run("run", recipe, "--quiet").code()).isZero();
        Path output = folder.resolve("out/one-Q4_0.gguf");
        assertThat(dryRun()).contains("up to date");
        // A time that changed alone is no change.
        Files.setLastModifiedTime(folder.resolve("models/one/config.json"), FileTime.fromMillis(1));
        assertThat(dryRun()).contains("up to date");
        Files.delete(output);
        assertThat(dryRun()).contains("its file is gone");
        assertThat(Cli.run("run", recipe, "--quiet").code()).isZero();
        // A flipped bit in the output.
        byte[] bytes = Files.readAllBytes(output);
        bytes[bytes.length / 2] ^= 1;
        Files.write(output, bytes);
        assertThat(dryRun()).contains("source, options, version or file changed");
        assertThat(Cli.run("run", recipe, "--quiet").code()).isZero();
        bytes[bytes.length / 2] ^= 1;
        assertThat(output).hasBinaryContent(bytes);
        // Another option, another source.
        oneSource("threads: 1\n");
        assertThat(dryRun()).contains("up to date");
        write(Files.readString(recipe).replace("[Q4_0]", "[{type: Q4_0, pure: true}]"));
        assertThat(dryRun()).contains("source, options, version or file changed");
        Files.writeString(folder.resolve("models/one/README.md"), "---\nlicense: mit\n---\n");
        oneSource("");
        assertThat(dryRun()).contains("source, options, version or file changed");
        assertThat(Cli.run("run", recipe, "--dry-run", "--json").out()).contains("\"action\" : \"convert\"");
    }

    private String dryRun() {
        Cli.Run run = Cli.run("run", recipe, "--dry-run");
        assertThat(run.code()).as(run.err()).isZero();
        return run.out();
    }

    @Test
    void filesThatNoRunMadeAreLeftAlone() throws Exception {
        source("one", Tampered.HUGGING_FACE);
        oneSource("");
        Path output = folder.resolve("out/one-Q4_0.gguf");
        Files.createDirectories(output.getParent());
        Files.writeString(output, "mine");
        Cli.Run refused = Cli.run("run", recipe);
        assertThat(refused.code()).isEqualTo(1);
        assertThat(refused.err()).contains("exists, and no earlier run made it");
        assertThat(output).hasContent("mine");
        assertThat(Cli.run("run", recipe, "--force", "--quiet").code()).isZero();
        assertThat(Files.size(output)).isGreaterThan(1_000_000);
    }

    @Test
    void anErrorEndsTheRunUnlessItMayGoOn() throws Exception {
        source("a", Tampered.HUGGING_FACE);
        Files.delete(folder.resolve("models/a/config.json"));
        source("b", Tampered.HUGGING_FACE);
        write("""
            version: 1
            sources: [models/a, models/b]
            outputs: [Q4_0]
            """);
        assertThat(Cli.run("run", recipe, "--quiet").code()).isEqualTo(3);
        assertThat(status(report(), "b")).isEqualTo(Status.NOT_RUN);
        assertThat(Cli.run("run", recipe, "--quiet", "--continue-on-error", "--concurrency", "2")
                        .code())
                .isEqualTo(3);
        assertThat(status(report(), "b")).isEqualTo(Status.DONE);
    }

    @Test
    void calibrationBaseAndDrift() throws Exception {
        source("one", Tampered.HUGGING_FACE);
        String text = """
            version: 1
            sources: [models/one]
            outputs: [F16, Q2_K, {type: Q2_K, name: plain, calibrate: false}]
            calibration: {text: text.txt, context: 64, chunks: 2}
            evaluation: {texts: [text.txt], context: 64, chunks: 2, base: F16, tensor_errors: false}
            reports: {json: report.json}
            """;
        write(text);
        Cli.Run first = Cli.run("run", recipe);
        assertThat(first.code()).as(first.err()).isZero();
        assertThat(folder.resolve("out/one.imatrix.gguf")).exists();
        RunReport before = ReportFile.read(folder.resolve("report.json"));
        assertThat(before.outputs().get(0).measurements()).isEmpty();
        assertThat(before.outputs().get(1).importance()).isNotNull();
        assertThat(before.outputs().get(2).importance()).isNull();
        assertThat(before.outputs().get(1).file())
                .isNotEqualTo(before.outputs().get(2).file());
        assertThat(before.outputs().get(1).tensorErrors()).isEmpty();

        Files.move(folder.resolve("report.json"), folder.resolve("baseline.json"));
        String gated = text + "baseline: baseline.json\ngates: {all: {drift: {kld: 1%, size: 0%}}}\n";
        write(gated);
        assertThat(Cli.run("run", recipe, "--quiet").code()).isZero();
        // The uncalibrated output in the calibrated one's place is worse than its baseline.
        write(gated.replace("{type: Q2_K, name: plain, calibrate: false}", "{type: Q2_K, name: plain, pure: true}"));
        assertThat(Cli.run("run", recipe, "--quiet").code()).isEqualTo(4);
        assertThat(Cli.run("report", folder.resolve("baseline.json"), folder.resolve("report.json"))
                        .out())
                .contains("one/plain")
                .contains("failing now");
    }

    @Test
    void recipesThatAreWrongExitWithThree() throws Exception {
        oneSource("");
        Cli.Run run = Cli.run("run", recipe);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + recipe + ":2:11: sources[0]: expected a file or directory");
        source("one", Tampered.HUGGING_FACE);
        Cli.Run nothing = Cli.run("run", recipe, "--only", "Q8_0");
        assertThat(nothing.code()).isEqualTo(2);
        assertThat(nothing.err()).contains("hint: sources: one; outputs: Q4_0");
        Files.createDirectories(folder.resolve("out"));
        Files.writeString(folder.resolve("out/.quern-run.json"), "{");
        assertThat(Cli.run("run", recipe).err()).contains("delete it, and everything is done again");
    }

    @Test
    void twoRunsInOneDirectoryExcludeEachOther() throws Exception {
        source("one", Tampered.HUGGING_FACE);
        oneSource("");
        Path lock = Files.createDirectories(folder.resolve("out")).resolve(".quern-run.lock");
        try (var channel = java.nio.channels.FileChannel.open(
                        lock, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE);
                var held = channel.lock()) {
            assertThat(held.isValid()).isTrue();
            Cli.Run run = Cli.run("run", recipe);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.firstError()).endsWith("another quern run works in this directory");
        }
        assertThat(Cli.run("run", recipe, "--quiet").code()).isZero();
    }
}
