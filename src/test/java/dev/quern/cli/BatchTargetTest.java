package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.pipeline.Family;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Recipes whose outputs have a size to keep: of a tiny model, with the types that the single command finds. */
class BatchTargetTest {
    private static final byte[] TEXT = text();

    @TempDir
    Path folder;

    private Path recipe;
    private Path model;
    private Path out;

    private static byte[] text() {
        try {
            return Arrays.copyOf(Files.readAllBytes(Path.of("test-data/text/calibration.txt")), 6000);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @BeforeEach
    void files() throws IOException {
        recipe = folder.resolve("recipe.yaml");
        out = folder.resolve("out/one-sized.gguf");
        model = Family.of("llama").write(folder);
        Files.write(folder.resolve("text.txt"), Arrays.copyOf(TEXT, 4000));
        Files.write(folder.resolve("other.txt"), Arrays.copyOfRange(TEXT, 4000, 6000));
    }

    /** @param keys of the output that has a target */
    private void write(String keys) throws IOException {
        Files.writeString(recipe, """
            version: 1
            sources: [{path: tiny-llama, name: one}]
            outputs: [{type: Q8_0, name: plain}, {type: Q4_0, name: sized, %s}]
            calibration: {text: text.txt, context: 16, chunks: 24}
            """.formatted(keys));
    }

    private RunReport run(Object... more) {
        Object[] line = new Object[more.length + 2];
        line[0] = "run";
        line[1] = recipe;
        System.arraycopy(more, 0, line, 2, more.length);
        Cli.Run run = Cli.run(line);
        assertThat(run.code()).as(run.err()).isZero();
        return ReportFile.read(folder.resolve("out/report.json"));
    }

    private String dryRun(int code) {
        Cli.Run run = Cli.run("run", recipe, "--dry-run");
        assertThat(run.code()).as(run.err()).isEqualTo(code);
        return run.out()
                .lines()
                .filter(line -> line.contains("sized"))
                .findFirst()
                .orElseThrow();
    }

    private static RunReport.Allocation allocation(RunReport report) {
        assertThat(report.outputs().getFirst().allocation()).isNull();
        RunReport.Allocation allocation = report.outputs().get(1).allocation();
        assertThat(allocation).isNotNull();
        return java.util.Objects.requireNonNull(allocation);
    }

    private static Status status(RunReport report, String step) {
        return report.sources().getFirst().steps().stream()
                .filter(done -> done.name().equals(step))
                .findFirst()
                .orElseThrow()
                .status();
    }

    @Test
    void theSingleCommandFindsTheSameTypes() throws Exception {
        write("target_bpw: 5.6, influence_types: 3, influence_chunks: 2, influence_text: other.txt,"
                + " save_tensor_types: true");
        RunReport report = run();
        RunReport.Allocation found = allocation(report);
        assertThat(report.outputs().get(1).bitsPerWeight()).isBetween(5.4, 5.6).isEqualTo(found.bitsPerWeight());
        assertThat(found.target()).isEqualTo("target_bpw 5.6");

        Path single = folder.resolve("single.gguf");
        Path saved = folder.resolve("types.txt");
        Cli.Run alone = Cli.run(
                "convert",
                model,
                "-t",
                "Q4_0",
                "-o",
                single,
                "--imatrix",
                folder.resolve("out/one.imatrix.gguf"),
                "--influence-text",
                folder.resolve("other.txt"),
                "--calibrate-ctx",
                16,
                "--influence-types",
                3,
                "--influence-chunks",
                2,
                "--target-bpw",
                5.6,
                "--save-tensor-types",
                saved,
                "--json");
        assertThat(alone.code()).as(alone.err()).isZero();
        JsonNode expected = JsonMapper.builder().build().readTree(alone.out()).get("allocation");
        assertThat(found.kld()).isEqualTo(expected.get("kld").asDouble());
        assertThat(found.tensors()).hasSize(expected.get("tensors").size()).hasSizeGreaterThan(10);
        for (int i = 0; i < found.tensors().size(); i++) {
            JsonNode tensor = expected.get("tensors").get(i);
            assertThat(found.tensors().get(i))
                    .isEqualTo(new RunReport.ChosenType(
                            tensor.get("name").asString(),
                            tensor.get("type").asString(),
                            tensor.get("bytes").asLong(),
                            tensor.get("kld").asDouble(),
                            tensor.get("because").asString()));
        }
        assertThat(found.tensors())
                .extracting(RunReport.ChosenType::because)
                .anyMatch(why -> why.contains("would spare"));
        assertThat(Cli.types(out)).isEqualTo(Cli.types(single));
        assertThat(found.tensors())
                .allSatisfy(tensor -> assertThat(Cli.types(out)).containsEntry(tensor.name(), tensor.type()));
        assertThat(folder.resolve("out/one-sized.types.txt")).hasSameTextualContentAs(saved);
        assertThat(report.texts())
                .extracting(text -> text.role() + " " + text.name())
                .containsExactly("calibration text.txt", "influence other.txt");
        Cli.Run inspected = Cli.run("inspect", out, "--json");
        assertThat(inspected.out()).contains("target_bpw").contains("other.txt");
    }

    @Test
    void aSizeIsKeptWithCodesChosenTogetherAndNothingIsDoneTwice() throws Exception {
        String keys = "target_size: 110kB, method: compensated, influence_types: 2, influence_chunks: 2";
        write(keys);
        assertThat(dryRun(0))
                .containsPattern(
                        "convert +110000 +not made yet; target_size 110kB decides after trying up to \\d+ types of"
                                + " \\d+ tensors on 2 windows of 16 tokens, sizes from \\d{5} to \\d{6} bytes are"
                                + " possible");
        RunReport first = run();
        RunReport.Allocation found = allocation(first);
        assertThat(Files.size(out)).isBetween(105_000L, 110_000L).isEqualTo(found.bytes());
        assertThat(first.outputs().get(1).codesChosenTogether()).isNotEmpty();
        assertThat(first.outputs().get(1).options()).containsEntry("target_size", "110000");
        assertThat(found.frontier())
                .hasSizeGreaterThan(3)
                .contains(new RunReport.SizePoint(found.bytes(), found.bitsPerWeight(), found.kld(), found.gap()));
        assertThat(status(first, "types sized")).isEqualTo(Status.DONE);
        assertThat(folder.resolve("out/one-sized.types.txt")).doesNotExist();
        assertThat(folder.resolve("out/report.md")).content().contains("were chosen for target\\_size 110kB");

        // Nothing changed.
        assertThat(dryRun(0)).containsPattern("up to date +" + found.bytes() + " +nothing changed");
        RunReport second = run();
        assertThat(second.outputs().get(1).status()).isEqualTo(Status.UP_TO_DATE);
        assertThat(allocation(second)).isEqualTo(found);
        assertThat(status(second, "types sized")).isEqualTo(Status.UP_TO_DATE);

        // Only the file has to be made again: the same one, with the types that are known.
        byte[] made = Files.readAllBytes(out);
        Files.delete(out);
        assertThat(dryRun(0))
                .containsPattern("convert +" + found.bytes() + " +its file is gone; its types have been found");
        RunReport third = run();
        assertThat(status(third, "types sized")).isEqualTo(Status.UP_TO_DATE);
        assertThat(third.outputs().get(1).status()).isEqualTo(Status.DONE);
        assertThat(allocation(third)).isEqualTo(found);
        assertThat(out).hasBinaryContent(made);

        // What decides types decides whether they are found anew.
        write(keys + ", floors: {attn_v: Q8_0}");
        assertThat(dryRun(0)).contains("source, options, version or file changed; target_size 110kB decides after");
        assertThat(allocation(run("--only", "plain", "--only", "sized")).tensors())
                .filteredOn(tensor -> tensor.name().contains("attn_v"))
                .hasSize(2)
                .allMatch(
                        tensor -> tensor.type().equals("Q8_0") || tensor.type().equals("F16"));
        write(keys + ", influence_text: other.txt");
        assertThat(dryRun(0)).contains("source, options, version or file changed; target_size 110kB decides after");
    }

    @Test
    void targetsThatCannotBe() throws Exception {
        write("target_size: 20kB");
        assertThat(dryRun(3))
                .contains("refused")
                .contains("cannot be as small as target_size 20kB: with every tensor at");
        Cli.Run run = Cli.run("run", recipe);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).contains("cannot be as small as target_size 20kB");
        assertThat(out).doesNotExist();
        assertThat(folder.resolve("out/one-plain.gguf")).exists();

        Path mine = Files.writeString(folder.resolve("out/one-sized.types.txt"), "mine");
        write("target_bpw: 5.6, save_tensor_types: true");
        run = Cli.run("run", recipe);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err())
                .contains("one-sized.types.txt: exists, and no earlier run made it")
                .doesNotContain("tried");
        assertThat(mine).hasContent("mine");
        assertThat(out).doesNotExist();
    }

    /** With an importance matrix that is only planned, types count that cannot do without one. */
    @Test
    void aDryRunKnowsWhatCalibrationAllows() throws Exception {
        Files.writeString(recipe, """
            version: 1
            sources: [{path: %s, name: one}]
            outputs:
              - {type: Q4_K_M, name: with, target_size: 3MB}
              - {type: Q4_K_M, name: without, target_size: 3MB, calibrate: false}
            calibration: {text: text.txt, context: 64, chunks: 2}
            """.formatted(Tampered.HUGGING_FACE.toAbsolutePath()));
        Cli.Run run = Cli.run("run", recipe, "--dry-run", "--json");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode steps = JsonMapper.builder().build().readTree(run.out()).get("steps");
        assertThat(least(steps.get(0))).isLessThan(least(steps.get(1)) - 100_000);
        assertThat(folder.resolve("out")).doesNotExist();
    }

    private static long least(JsonNode step) {
        String because = step.get("because").asString();
        assertThat(because).startsWith("not made yet; target_size 3MB decides after trying up to");
        return Long.parseLong(because.replaceFirst(".*sizes from (\\d+) to .*", "$1"));
    }

    /** What is read is not replaced: not by a report, and not by an output with {@code --force}. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        outputs: [{type: Q4_0}]            | reports: {json: text.txt}
        outputs: [{type: Q4_0}]            | reports: {html: other.txt}
        """)
    void reportsDoNotTakeTheTextsPlace(String outputs, String reports) throws IOException {
        Files.writeString(recipe, """
            version: 1
            sources: [{path: tiny-llama, name: one}]
            %s
            calibration: {text: text.txt, context: 16, chunks: 24}
            evaluation: {texts: [other.txt], context: 16}
            %s
            """.formatted(outputs, reports));
        Cli.Run run = Cli.run("run", recipe, "--force");
        assertThat(run.err()).contains("is the input ");
        assertThat(run.code()).as(run.err()).isEqualTo(Quern.USAGE);
        assertThat(folder.resolve("text.txt")).hasBinaryContent(Arrays.copyOf(TEXT, 4000));
        assertThat(folder.resolve("other.txt")).hasBinaryContent(Arrays.copyOfRange(TEXT, 4000, 6000));
    }

    @Test
    void anOutputDoesNotTakeTheTextsPlace() throws IOException {
        Path text = Files.createDirectories(folder.resolve("out")).resolve("one-Q4_0.gguf");
        byte[] words = Arrays.copyOf(TEXT, 4000);
        Files.write(text, words);
        Files.writeString(recipe, """
            version: 1
            sources: [{path: tiny-llama, name: one}]
            outputs: [{type: Q4_0}]
            calibration: {text: out/one-Q4_0.gguf, context: 16, chunks: 24}
            """);
        Cli.Run run = Cli.run("run", recipe, "--force");
        assertThat(run.err()).contains("one-Q4_0.gguf: is the input ");
        assertThat(run.code()).as(run.err()).isNotZero();
        assertThat(text).hasBinaryContent(words);
    }

    @Test
    void aMethodWithNothingToChooseSaysSo() throws IOException {
        Files.writeString(recipe, """
            version: 1
            sources: [{path: tiny-llama, name: one}]
            outputs: [{type: MXFP4_MOE, name: idle, pure: true, method: search}]
            """);
        Cli.Run run = Cli.run("run", recipe);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("quantized tensors have the reference's codes; method search does not know");
    }
}
