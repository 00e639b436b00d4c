package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.pipeline.Family;
import dev.quern.report.ReportFile;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What choosing codes together gains, in reports of runs: of a tiny model, as the single command says it. */
class BatchGainsTest {
    private static final String LINE = "fitted: codes chosen together were kept in ";

    @TempDir
    Path folder;

    private Path recipe;
    private Path model;
    private Path text;

    @BeforeEach
    void files() throws IOException {
        recipe = folder.resolve("recipe.yaml");
        model = Family.of("llama").write(folder);
        text = Files.write(
                folder.resolve("text.txt"),
                Arrays.copyOf(Files.readAllBytes(Path.of("test-data/text/calibration.txt")), 4000));
    }

    private void write(String more) throws IOException {
        Files.writeString(recipe, """
            version: 1
            sources: [{path: tiny-llama, name: one}]
            outputs: [{type: Q4_0, name: plain}, {type: Q4_0, name: fitted, method: compensated}]
            calibration: {text: text.txt, context: 16, chunks: 24}
            """ + more);
    }

    private RunReport run() {
        Cli.Run run = Cli.run("run", recipe);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("one/" + LINE).doesNotContain("one/plain: codes");
        return ReportFile.read(folder.resolve("out/report.json"));
    }

    @Test
    void everyTensorAsTheSingleCommandSaysAndKeptWhenNothingChanged() throws Exception {
        write("");
        RunReport first = run();
        RunReport.OutputResult fitted = first.outputs().get(1);
        assertThat(first.outputs().getFirst().codesChosenTogether()).isEmpty();

        Path single = folder.resolve("single.gguf");
        Cli.Run alone = Cli.run(
                "convert",
                model,
                "-t",
                "Q4_0",
                "-o",
                single,
                "--method",
                "compensated",
                "--calibrate",
                text,
                "--calibrate-ctx",
                16,
                "--calibrate-chunks",
                24,
                "--json");
        assertThat(alone.code()).as(alone.err()).isZero();
        JsonNode expected = JsonMapper.builder().build().readTree(alone.out()).get("codes_chosen_together");
        Map<String, JsonNode> tensors = new LinkedHashMap<>();
        expected.properties().forEach(entry -> tensors.put(entry.getKey(), entry.getValue()));
        assertThat(fitted.codesChosenTogether())
                .extracting(RunReport.Gain::tensor)
                .containsExactlyElementsOf(tensors.keySet())
                .contains("blk.1.ffn_down.weight");
        Map<String, String> types = new LinkedHashMap<>();
        try (GgufFile file = GgufFile.open(single)) {
            file.tensors()
                    .forEach((name, tensor) -> types.put(name, tensor.type().name()));
        }
        for (RunReport.Gain gain : fitted.codesChosenTogether()) {
            JsonNode said = Objects.requireNonNull(tensors.get(gain.tensor()));
            assertThat(gain.type()).isEqualTo(types.get(gain.tensor()));
            assertThat(gain.layerErrorReference())
                    .isEqualTo(said.get("layer_error_reference").asDouble());
            assertThat(gain.layerErrorCompensated())
                    .isEqualTo(said.get("layer_error_compensated").asDouble());
            assertThat(gain.kept()).isEqualTo(said.get("kept").asDouble());
            assertThat(gain.damping()).isEqualTo(said.get("damping").asDouble());
        }
        assertThat(fitted.codesChosenTogether())
                .anyMatch(gain -> gain.kept() == 1 && gain.layerErrorCompensated() < gain.layerErrorReference());

        // Nothing changed: nothing is made, and what was gained stays known; with errors of tensors beside it too.
        FileTime made = Files.getLastModifiedTime(folder.resolve("out/one-fitted.gguf"));
        write("evaluation: {texts: [text.txt], context: 16, chunks: 2}\n");
        RunReport second = run();
        RunReport.OutputResult again = second.outputs().get(1);
        assertThat(again.status()).isEqualTo(Status.UP_TO_DATE);
        assertThat(again.codesChosenTogether()).isEqualTo(fitted.codesChosenTogether());
        assertThat(again.tensorErrors()).isNotEmpty();
        assertThat(run().outputs().get(1).codesChosenTogether()).isEqualTo(fitted.codesChosenTogether());
        assertThat(Files.getLastModifiedTime(folder.resolve("out/one-fitted.gguf")))
                .isEqualTo(made);
        assertThat(folder.resolve("out/report.md")).content().containsOnlyOnce("- one/" + LINE);
        assertThat(folder.resolve("out/report.html")).content().containsOnlyOnce("<li>one/" + LINE);
    }

    /** A directory in which an earlier version ran, whose record knows no gains. */
    @Test
    void earlierRecordsAreGoneOnFrom() throws Exception {
        write("");
        Path out = Files.createDirectory(folder.resolve("out"));
        Files.copy(Path.of("test-data/report/earlier-run.json"), out.resolve(".quern-run.json"));
        assertThat(run().outputs().get(1).codesChosenTogether()).isNotEmpty();
        Cli.Run compared = Cli.run("report", "test-data/report/earlier-report.json", out.resolve("report.json"));
        assertThat(compared.code()).as(compared.err()).isZero();
        assertThat(compared.out()).contains("only in the first").contains("only in the second");
    }
}
