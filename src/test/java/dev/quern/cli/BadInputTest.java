package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user can get wrong, or be given wrong: one line says it, the exit code is right, and no output appears. */
class BadInputTest {
    @TempDir
    Path folder;

    private void refused(Path model, String message) throws Exception {
        Path out = folder.resolve("out.gguf");
        Cli.Run run = Cli.run("convert", model, "-o", out, "--quiet");
        assertThat(run.firstError()).isEqualTo("error: " + message);
        assertThat(run.code()).isEqualTo(3);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(Path::getFileName).map(Path::toString)).noneMatch(name -> name.contains("out.gguf"));
        }
    }

    @Test
    void noConfig() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Files.delete(model.resolve("config.json"));
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + model).contains("config.json");
    }

    @Test
    void unknownArchitectureIsNamedWithTheKnownOnes() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Tampered.edit(model.resolve("config.json"), text -> text.replace("LlamaForCausalLM", "MillForCausalLM"));
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        List<String> lines = run.err().lines().toList();
        assertThat(lines).hasSize(2);
        assertThat(lines.getFirst())
                .startsWith("error: " + model.resolve("config.json")
                        + ": architecture \"MillForCausalLM\" is not known; fields: architectures, attention_bias,")
                .contains("; tensors: lm_head.weight, model.embed_tokens.weight,"
                        + " model.layers.{i}.input_layernorm.weight,");
        assertThat(lines.getLast())
                .isEqualTo("hint: the nearest page is LLaMA, which knows 12 of these 12 tensors; a page"
                        + " of your own is read with --architecture PAGE.json (formats/architectures/README.md says how"
                        + " to write one)");
    }

    @Test
    void missingMetaShard() throws Exception {
        Path model = Tampered.copy(Tampered.META, folder);
        Files.delete(model.resolve("consolidated.00.pth"));
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).contains("consolidated.00.pth");
    }

    @Test
    void oneShardOfTwoIsToldByTheShapes() throws Exception {
        Path model = Tampered.copy(Tampered.META, folder);
        Files.delete(model.resolve("consolidated.01.pth"));
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError())
                .startsWith("error: " + model)
                .contains("tensor \"")
                .contains("expected");
    }

    @Test
    void shardThatTheIndexNamesIsAbsent() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Files.move(model.resolve("model.safetensors"), model.resolve("model-00001-of-00002.safetensors"));
        Files.writeString(
                model.resolve("model.safetensors.index.json"),
                "{\"weight_map\": {\"lm_head.weight\": \"model-00002-of-00002.safetensors\"}}");
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).contains("model-00002-of-00002.safetensors");
    }

    @Test
    void missingTensor() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Tampered.editHeader(model.resolve("model.safetensors"), header -> {
            // A buffer that old checkpoints have and nobody reads takes the place of its bytes.
            header.set("model.layers.2.self_attn.rotary_emb.inv_freq", header.get("model.layers.2.mlp.up_proj.weight"));
            return header.without("model.layers.2.mlp.up_proj.weight");
        });
        refused(model, model + ": tensor \"model.layers.2.mlp.up_proj.weight\": is missing, expected [768, 256]");
    }

    @Test
    void tensorOfNoLayerOfThisModel() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Tampered.editHeader(model.resolve("model.safetensors"), header -> {
            header.set("model.layers.9.unused", header.get("model.layers.2.mlp.up_proj.weight"));
            return header.without("model.layers.2.mlp.up_proj.weight");
        });
        refused(model, model + ": tensor \"model.layers.9.unused\": is not part of a llama model with 4 layers");
    }

    @Test
    void wrongShape() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Tampered.edit(
                model.resolve("config.json"),
                text -> text.replace("\"intermediate_size\": 768", "\"intermediate_size\": 512"));
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError())
                .contains("tensor \"model.layers.0.mlp.down_proj.weight\"")
                .contains("[256, 512]")
                .contains("[256, 768]");
    }

    @Test
    void truncatedSafetensors() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Tampered.truncate(model.resolve("model.safetensors"), 100);
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + model.resolve("model.safetensors") + ": ");
    }

    @Test
    void truncatedTorchFile() throws Exception {
        Path model = Tampered.copy(Tampered.META, folder);
        Tampered.truncate(model.resolve("consolidated.01.pth"), 1000);
        Cli.Run run = Cli.run("convert", model);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + model.resolve("consolidated.01.pth") + ": ");
    }

    @Test
    void nonFiniteValueIsNamedByTensorAndIndex() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Path weights = model.resolve("model.safetensors");
        Tampered.setHalf(weights, "model.layers.1.mlp.gate_proj.weight", 5 * 256 + 7, Float.NaN);
        refused(model, weights + ": tensor \"blk.1.ffn_gate.weight\", element [5, 7]: value is NaN");
        assertThat(Cli.run("convert", model, "-o", folder.resolve("kept.gguf"), "--allow-non-finite")
                        .code())
                .isZero();
        Cli.Run blocks = Cli.run("convert", model, "-t", "Q4_0", "-o", folder.resolve("q.gguf"), "--allow-non-finite");
        assertThat(blocks.code()).isEqualTo(3);
    }

    @Test
    void outputThatIsTheInput() throws Exception {
        Path file = folder.resolve("model.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", file).code()).isZero();
        byte[] before = Files.readAllBytes(file);
        Path link = Files.createSymbolicLink(folder.resolve("link.gguf"), file);
        for (Path out : new Path[] {file, link}) {
            Cli.Run run = Cli.run("quantize", "--force", file, out, "Q4_0");
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.firstError()).isEqualTo("error: " + out + ": is the input " + file);
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
    }

    @Test
    void outputThatExists() throws Exception {
        Path out = Files.writeString(folder.resolve("out.gguf"), "precious");
        Cli.Run run = Cli.run("convert", Tampered.HUGGING_FACE, "-o", out);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().lines()).contains("error: " + out + ": already exists", "hint: use --force to replace it");
        assertThat(Files.readString(out)).isEqualTo("precious");
    }

    @Test
    void textShorterThanTwoWindows() throws Exception {
        Path text = Files.writeString(
                folder.resolve("short.txt"), "Well, Prince, so Genoa and Lucca are now just family estates.");
        Cli.Run run = Cli.run("perplexity", "-m", Tampered.HUGGING_FACE, "-f", text);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError())
                .startsWith(
                        "error: " + text + ": text shorter than two windows: expected at least 1024 tokens, found ");
    }

    @Test
    void nothingThere() {
        Path nowhere = folder.resolve("nowhere");
        Cli.Run run = Cli.run("inspect", nowhere);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + nowhere + ": ");
    }

    /** SIGKILL at seeded moments of the JVM's life: never a file under the final name that is not whole. */
    @Test
    void killedAtAnyMomentLeavesNothingOrTheWholeFile() throws Exception {
        Path whole = folder.resolve("whole.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-t", "Q4_0", "-o", whole)
                        .code())
                .isZero();
        Random random = new Random(7);
        Path out = folder.resolve("killed.gguf");
        for (int i = 0; i < 12; i++) {
            Process process = Cli.process("convert", Tampered.HUGGING_FACE, "-t", "Q4_0", "-o", out, "--force")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (!process.waitFor(200 + random.nextInt(2500), TimeUnit.MILLISECONDS)) {
                process.destroyForcibly().waitFor();
            }
            if (Files.exists(out)) {
                assertThat(out).hasSameBinaryContentAs(whole);
                Files.delete(out);
            }
        }
    }
}
