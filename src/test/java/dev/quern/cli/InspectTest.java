package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code quern inspect} says what anything is that Quern reads. What each file holds is in its values.json. */
class InspectTest {
    private static final Path DATA = Path.of("test-data");

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        torch/types.pt             | torch.save's, a zip file, 10 tensors
        torch/legacy.pt            | torch.save's,
        torch-1.13/legacy-parameters.pt | torch.save's,
        torch/big-endian.pt        | torch.save's, a zip file
        safetensors/every-type.safetensors | safetensors,
        onnx/encoder.safetensors   | safetensors,
        ggml/ggjt-3-2.bin          | GGJT v3, architecture llama, 12 tensors
        ggml/ggml-2.bin            | , architecture llama
        gguf/big-endian.gguf       | GGUF v3
        lora/plain                 | LoRA adapter,
        models/tolstoy-4m          | Hugging Face checkpoint, architecture llama, 39 tensors
        models/tolstoy-4m-meta     | Meta checkpoint, architecture llama, 39 tensors
        """)
    void saysWhatItIs(String path, String kind) {
        Cli.Run run = Cli.run("inspect", DATA.resolve(path), "--tensors");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().findFirst().orElseThrow())
                .startsWith(DATA.resolve(path) + ": ")
                .contains(kind);
        assertThat(run.out().lines().count()).isGreaterThan(4);
    }

    /** As the launcher starts it, since that is quicker. The parts of the second hold some tensors twice. */
    @ParameterizedTest
    @ValueSource(strings = {"models/tolstoy-4m", "models/tolstoy-4m-meta"})
    void needsNoVectorModule(String path) throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Quern.class.getName(),
                        "inspect",
                        DATA.resolve(path).toString())
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        assertThat(said).isEqualTo(Cli.run("inspect", DATA.resolve(path)).out()).contains("architecture llama");
    }

    @Test
    void aWeightFileAloneAsJson() throws IOException {
        JsonNode map = json(DATA.resolve("torch/unreadable-types.pt"));
        assertThat(map.path("kind").stringValue()).isEqualTo("torch.save's, a zip file");
        assertThat(map.path("unreadable").size()).isPositive();
        JsonNode adapter = json(DATA.resolve("lora/plain"));
        assertThat(adapter.path("updates").size()).isPositive();
    }

    private static JsonNode json(Path path) {
        Cli.Run run = Cli.run("inspect", path, "--json");
        assertThat(run.code()).as(run.err()).isZero();
        return JsonMapper.shared().readTree(run.out());
    }

    @Test
    void anOnnxModelAlone(@TempDir Path folder) throws IOException {
        Path model = Files.copy(DATA.resolve("onnx/exported/model.onnx"), folder.resolve("model.onnx"));
        Cli.Run run = Cli.run("inspect", model, "--tensors");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).startsWith(model + ": ONNX").contains("no config.json beside it");
    }

    @Test
    void theSecurityOfASoundFile() {
        Cli.Run run = Cli.run("inspect", "--security", DATA.resolve("torch/types.pt"));
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("torch._utils._rebuild_tensor_v2")
                .contains("opcodes: 95 BINPUT")
                .contains("checksums: match")
                .endsWith("nothing is refused" + System.lineSeparator());
    }

    @Test
    void theSecurityOfAFileThatRunsACommand() {
        Path file = DATA.resolve("torch/runs-system.pt");
        Cli.Run run = Cli.run("inspect", "--security", file);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.out())
                .containsPattern("posix.system +1 +178 +REFUSED: asks for a function that no checkpoint needs")
                .contains("refused: " + file + ": data.pkl byte 178: GLOBAL \"posix.system\"");
        JsonNode map = JsonMapper.shared()
                .readTree(Cli.run("inspect", "--security", "--json", file).out());
        assertThat(map.get(0).path("refused").stringValue()).contains("posix.system");
        assertThat(map.get(0).path("checksums").stringValue()).isEqualTo("not looked at");
    }

    @Test
    void aFileThatIsNothing() {
        Cli.Run run = Cli.run("inspect", DATA.resolve("models/tolstoy-4m/tokenizer.model"));
        // Beside a configuration a file is taken for the model's weights.
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).contains("expected safetensors or a file of torch.save, found a file that is");
    }
}
