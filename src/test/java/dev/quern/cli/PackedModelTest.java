package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.checkpoint.packed.PackedFixture;
import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufTensor;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;

/** The bundled model with packed weights, from the checkpoint to its perplexity. */
class PackedModelTest {
    private static final JsonMapper MAPPER = JsonMapper.builder().build();

    @TempDir
    Path folder;

    /** The packed Linear layers of a fixture, everything else from the model itself. */
    private Path packed(String fixture) throws IOException {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Path from = Path.of("test-data/packed", fixture);
        PackedFixture.empty()
                .add(from.resolve("linears.safetensors"), name -> true)
                .add(Tampered.HUGGING_FACE.resolve("model.safetensors"), name -> !name.endsWith("_proj.weight"))
                .write(model);
        Files.copy(
                Tampered.HUGGING_FACE.resolve("config.json"),
                model.resolve("config.json"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        String quantization = Files.readString(from.resolve("quantization_config.json"));
        Tampered.edit(
                model.resolve("config.json"),
                text -> text.replaceFirst("\\{", "{\"quantization_config\": " + quantization.strip() + ","));
        return model;
    }

    private static double perplexity(Path model) {
        Cli.Run run = Cli.run("perplexity", "-m", model, "-f", Tampered.TEXT, "--chunks", 8, "--json", "--quiet");
        assertThat(run.code()).as(run.err()).isZero();
        return MAPPER.readTree(run.out()).get("perplexity").doubleValue();
    }

    /** 4 bits cost this small model a few percent; a nibble in the wrong place makes it babble. */
    @ParameterizedTest
    @CsvSource({"tolstoy-gptq, 'GPTQ (4-bit, v2)'", "tolstoy-nf4, bitsandbytes (NF4)"})
    void packedModelsConvertAndAreAsGoodAsTheirBits(String fixture, String packing) throws IOException {
        Path model = packed(fixture);
        double plain = perplexity(Tampered.HUGGING_FACE);
        double unconverted = perplexity(model);
        assertThat(unconverted).isBetween(plain, plain * 1.1);

        Path f32 = folder.resolve("out.gguf");
        Cli.Run run = Cli.run("convert", model, "-t", "F32", "-o", f32);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("made from a Hugging Face checkpoint packed by " + packing + ", ");
        assertThat(perplexity(f32)).isEqualTo(unconverted);

        Path q8 = folder.resolve("q8.gguf");
        assertThat(Cli.run("convert", model, "-t", "Q8_0", "-o", q8).code()).isZero();
        assertThat(perplexity(q8)).isCloseTo(unconverted, within(0.01 * unconverted));

        Cli.Run inspected = Cli.run("inspect", model);
        assertThat(inspected.code()).isZero();
        assertThat(inspected.out()).contains("packed by " + packing, "4196608 parameters");
    }

    /** NVFP4 as ModelOpt has it: the blocks are carried, their factors beside them, and the peer computes with both. */
    @Test
    void nvfp4KeepsItsBlocks() throws IOException {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Nvfp4Model.write(Tampered.HUGGING_FACE.resolve("model.safetensors"), model);
        Path kept = folder.resolve("kept.gguf");
        assertThat(Cli.run("convert", model, "-o", kept).code()).isZero();
        try (GgufFile file = GgufFile.open(kept)) {
            assertThat(file.metadata().integer("general.file_type").orElse(0)).isEqualTo(39);
            assertThat(file.tensors().firstEntry().getValue().type()).isEqualTo(QuantType.NVFP4);
            GgufTensor query = Objects.requireNonNull(file.tensors().get("blk.0.attn_q.weight"));
            assertThat(query.type()).isEqualTo(QuantType.NVFP4);
            assertThat(Objects.requireNonNull(file.tensors().get("blk.0.attn_q.scale"))
                            .type())
                    .isEqualTo(QuantType.F32);
            assertThat(Objects.requireNonNull(file.tensors().get("token_embd.weight"))
                            .type())
                    .isEqualTo(QuantType.F16);
        }
        Path plain = folder.resolve("plain.gguf");
        assertThat(Cli.run("convert", model, "-t", "F32", "--dequantize", "-o", plain)
                        .code())
                .isZero();
        try (GgufFile file = GgufFile.open(plain)) {
            assertThat(file.tensors()).doesNotContainKey("blk.0.attn_q.scale");
            assertThat(Objects.requireNonNull(file.tensors().get("blk.0.attn_q.weight"))
                            .type())
                    .isEqualTo(QuantType.F32);
        }
        assertThat(perplexity(kept)).isCloseTo(perplexity(plain), within(1e-3 * perplexity(plain)));
        assertThat(perplexity(model)).isEqualTo(perplexity(plain));

        LlamaCpp.require();
        int[] tokens = new java.util.Random(5).ints(64, 3, 2000).toArray();
        try (LlamaModel blocks = LlamaCpp.load(kept);
                LlamaModel floats = LlamaCpp.load(plain)) {
            float[] found = blocks.logits(tokens, ContextOptions.FLOAT);
            float[] expected = floats.logits(tokens, ContextOptions.FLOAT);
            // The peer rounds activations to 8 bits before it multiplies them with NVFP4 blocks.
            double error = 0;
            double sum = 0;
            for (int i = 0; i < found.length; i++) {
                error += Math.pow(found[i] - expected[i], 2);
                sum += Math.pow(expected[i], 2);
            }
            assertThat(error / sum).isLessThan(1e-3);
        }
    }
}
