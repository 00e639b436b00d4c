package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.lora.LoraAdapter;
import dev.quern.checkpoint.lora.MergedCheckpoint;
import dev.quern.checkpoint.packed.PackedFixture;
import dev.quern.gguf.GgufFile;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** LoRA adapters of PEFT (scripts/make-lora-fixtures), merged and as files of their own. */
class LoraTest {
    private static final Path BASE = Tampered.HUGGING_FACE;
    private static final Path ADAPTERS = Path.of("test-data/lora");
    private static final JsonMapper MAPPER = JsonMapper.builder().build();

    @TempDir
    Path folder;

    /** PEFT's own merge_and_unload in float32; the sums of a few products differ in their order at most. */
    @ParameterizedTest
    @ValueSource(strings = {"plain", "patterns", "dora", "embedding", "saved"})
    void mergedWeightsArePeftsOwn(String name) {
        Path directory = ADAPTERS.resolve(name);
        JsonNode expected = MAPPER.readTree(directory.resolve("merged.json").toFile());
        try (Checkpoint plain = Checkpoints.open(BASE);
                MergedCheckpoint merged = MergedCheckpoint.of(Checkpoints.open(BASE), LoraAdapter.open(directory), 1)) {
            assertThat(merged.tensors()).isEqualTo(plain.tensors());
            plain.tensors().forEach((tensor, info) -> {
                Shape shape = info.shape();
                float[] before = all(plain.open(tensor, shape));
                float[] after = all(merged.open(tensor, shape));
                JsonNode changed = expected.get(tensor);
                if (changed == null) {
                    assertThat(after).as(tensor).isEqualTo(before);
                    return;
                }
                for (int i = 0; i < changed.get("at").size(); i++) {
                    double value = changed.get("values").get(i).doubleValue();
                    assertThat((double) after[changed.get("at").get(i).intValue()])
                            .as("%s, element %d", tensor, i)
                            .isCloseTo(value, within(1e-6 * Math.max(1e-2, Math.abs(value))));
                }
                float[] row = new float[(int) shape.rowLength()];
                long at = shape.rows() / 2;
                merged.open(tensor, shape).readRows(at, 1, row, 0);
                assertThat(row)
                        .isEqualTo(java.util.Arrays.copyOfRange(
                                after, (int) at * row.length, ((int) at + 1) * row.length));
            });
        }
    }

    private static float[] all(TensorSource source) {
        float[] values = new float[(int) source.info().shape().elements()];
        source.readRows(0, (int) source.info().shape().rows(), values, 0);
        return values;
    }

    /** Merging twice by halves is merging once, and the file is of the base model's own type. */
    @Test
    void factorsAddUp() throws IOException {
        Path whole = folder.resolve("whole.gguf");
        Path halves = folder.resolve("halves.gguf");
        Path adapter = ADAPTERS.resolve("plain");
        assertThat(Cli.run("convert", BASE, "--lora", adapter, "-o", whole).code())
                .isZero();
        assertThat(Cli.run(
                                "convert",
                                BASE,
                                "--lora",
                                adapter + ":0.5",
                                "--lora",
                                adapter + ":0.5",
                                "-t",
                                "F16",
                                "-o",
                                halves)
                        .code())
                .isZero();
        try (GgufFile one = GgufFile.open(whole);
                GgufFile two = GgufFile.open(halves)) {
            assertThat(one.tensors()).isEqualTo(two.tensors());
            one.graph().sources().forEach(source -> {
                float[] first = all(source);
                float[] second = all(two.graph().get(source.info().name()).orElseThrow());
                for (int i = 0; i < first.length; i++) {
                    assertThat(second[i]).isCloseTo(first[i], within(Math.max(1e-6f, Math.abs(first[i]) / 1000)));
                }
            });
        }
    }

    /** The adapter beside the base model gives what the merged model gives. */
    @ParameterizedTest
    @ValueSource(strings = {"plain", "patterns", "embedding"})
    void theAdapterAloneIsLoadedByThePeer(String name) throws IOException {
        Path adapter = folder.resolve("adapter.gguf");
        Path merged = folder.resolve("merged.gguf");
        Path base = folder.resolve("base.gguf");
        Path directory = ADAPTERS.resolve(name);
        Cli.Run run = Cli.run("convert", directory, "--base", BASE, "-o", adapter);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(Cli.run("convert", BASE, "-t", "F32", "--lora", directory, "-o", merged)
                        .code())
                .isZero();
        assertThat(Cli.run("convert", BASE, "-t", "F32", "-o", base).code()).isZero();
        LlamaCpp.require();
        int[] tokens = new Random(9).ints(48, 3, 2000).toArray();
        try (LlamaModel peer = LlamaCpp.load(base);
                LlamaModel whole = LlamaCpp.load(merged)) {
            float[] plain = peer.logits(tokens, ContextOptions.FLOAT);
            float[] found = peer.logits(tokens, ContextOptions.FLOAT, peer.adapter(adapter));
            float[] expected = whole.logits(tokens, ContextOptions.FLOAT);
            assertThat(distance(found, expected)).isLessThan(1e-4);
            assertThat(distance(plain, expected)).isGreaterThan(1e-2);
        }
    }

    /** Relative to the size of the logits. */
    private static double distance(float[] found, float[] expected) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < found.length; i++) {
            difference += Math.pow(found[i] - expected[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(difference / size);
    }

    /** Keys and order of convert_lora_to_gguf.py. */
    @Test
    void theAdapterSaysWhatItIs() throws IOException {
        Path copy = Tampered.copy(ADAPTERS.resolve("plain"), folder);
        assertThat(Cli.run("convert", copy, "--base", BASE).code()).isZero();
        Path out = copy.resolve("Plain-F32-LoRA.gguf");
        try (GgufFile file = GgufFile.open(out)) {
            assertThat(file.metadata().asMap().keySet())
                    .containsExactly(
                            "general.architecture",
                            "general.type",
                            "adapter.type",
                            "general.name",
                            "adapter.lora.alpha",
                            "general.quantization_version");
            assertThat(file.metadata().text("general.type")).contains("adapter");
            assertThat(file.metadata().text("adapter.type")).contains("lora");
            assertThat(file.tensors()).hasSize(32);
            assertThat(Objects.requireNonNull(file.tensors().get("blk.0.attn_q.weight.lora_a"))
                            .shape())
                    .isEqualTo(Shape.of(4, 256));
            assertThat(Objects.requireNonNull(file.tensors().get("blk.0.attn_q.weight.lora_b"))
                            .shape())
                    .isEqualTo(Shape.of(256, 4));
        }
        Path half = folder.resolve("half.gguf");
        assertThat(Cli.run("convert", copy, "--base", BASE, "-t", "F16", "-o", half)
                        .code())
                .isZero();
        assertThat(Files.size(half)).isLessThan(Files.size(out));
    }

    private void refused(Cli.Run run, String message) {
        assertThat(run.firstError()).isEqualTo("error: " + message);
        assertThat(run.code()).isEqualTo(3);
    }

    private Path adapter(String name, Consumer<ObjectNode> config) throws IOException {
        Path copy = Tampered.copy(ADAPTERS.resolve(name), Files.createTempDirectory(folder, "a"));
        Path file = copy.resolve("adapter_config.json");
        ObjectNode node = (ObjectNode) MAPPER.readTree(file.toFile());
        config.accept(node);
        Files.writeString(file, node.toString());
        return copy;
    }

    private Path adapter(PackedFixture tensors) throws IOException {
        Path copy = adapter("plain", config -> {});
        Path written = tensors.write(Files.createTempDirectory(folder, "w"));
        Files.move(
                written.resolve("model.safetensors"),
                copy.resolve("adapter_model.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        return copy;
    }

    private static PackedFixture tensors() {
        return PackedFixture.empty()
                .add(
                        ADAPTERS.resolve("plain/adapter_model.safetensors"),
                        name -> name.contains("layers.0.self_attn.q"));
    }

    private Cli.Run merge(Object adapter) {
        return Cli.run("convert", BASE, "--lora", adapter, "-o", folder.resolve("none.gguf"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "peft_type; \"LOHA\"; \"LOHA\" is not read, only LORA is",
                "lora_bias; true; this variant of LoRA is not read",
                "trainable_token_indices; [1]; this variant of LoRA is not read",
                "target_parameters; [\"x\"]; this variant of LoRA is not read",
                "init_lora_weights; \"pissa_niter_4\"; \"pissa_niter_4\" changes the base model's weights before"
                        + " training, so the adapter does not belong to the published ones",
                "lora_alpha; \"8\"; expected a finite number, found \"8\"",
                "lora_alpha; null; is not there",
                "rank_pattern; {\"q_proj\": \"2\"}; expected integers",
                "alpha_pattern; {\"q_proj\": \"2\"}; expected numbers",
            })
    void configurationsThatAreNotRead(String key, String value, String problem) throws IOException {
        Path changed = adapter("plain", config -> config.set(key, MAPPER.readTree(value)));
        refused(merge(changed), changed.resolve("adapter_config.json") + ": " + key + ": " + problem);
    }

    @Test
    void tensorsThatDoNotFit() throws IOException {
        String q = "base_model.model.model.layers.0.self_attn.q_proj.";
        Path changed = adapter(tensors().remove(q + "lora_B.weight"));
        refused(merge(changed), changed + ": tensor \"" + q + "lora_A.weight\": has no lora_B beside it");
        changed = adapter(tensors().remove(q + "lora_A.weight"));
        refused(merge(changed), changed + ": tensor \"" + q + "lora_B.weight\": has no lora_A beside it");
        changed = adapter(tensors().retype(q + "lora_B.weight", "F16", "[4, 256]"));
        refused(
                merge(changed),
                changed + ": tensor \"" + q + "lora_B.weight\": its shape [4, 256] does not go with lora_A's [4, 256]");
        changed = adapter(tensors()
                .retype(q + "lora_B.weight", "F16", "[512, 2]")
                .retype(q + "lora_A.weight", "F16", "[2, 512]"));
        refused(
                merge(changed),
                changed + ": tensor \"" + q + "lora_A.weight\": has rank 2, adapter_config.json says 4");
        changed = adapter(tensors().rename(q + "lora_A.weight", "lora_A.weight"));
        refused(
                merge(changed),
                changed + ": tensor \"lora_A.weight\": expected a name that begins with base_model.model.");
        changed = adapter(tensors().put(q + "lora_C.weight", "F16", "[1]", new byte[2]));
        refused(
                merge(changed),
                changed + ": tensor \"" + q + "lora_C.weight\": is no part of a LoRA adapter that is read");
        changed = adapter(PackedFixture.empty());
        refused(merge(changed), changed + ": holds no lora_A and lora_B");
        String far = q.replace("layers.0", "layers.9");
        changed = adapter(tensors()
                .rename(q + "lora_A.weight", far + "lora_A.weight")
                .rename(q + "lora_B.weight", far + "lora_B.weight"));
        refused(
                merge(changed),
                changed + ": tensor \"model.layers.9.self_attn.q_proj.weight\": is changed by the adapter, and " + BASE
                        + " has no such tensor");
        refused(
                Cli.run("convert", changed, "--base", BASE, "-o", folder.resolve("none.gguf")),
                changed + ": tensor \"model.layers.9.self_attn.q_proj.weight\": is not part of a LLaMA model");
        String k = q.replace("q_proj", "k_proj");
        changed = adapter(tensors()
                .rename(q + "lora_A.weight", k + "lora_A.weight")
                .rename(q + "lora_B.weight", k + "lora_B.weight"));
        refused(
                merge(changed),
                changed
                        + ": tensor \"model.layers.0.self_attn.k_proj.weight\": is changed by an update of shape [256,"
                        + " 256], in the base model it is [128, 256]");
        refused(
                Cli.run("convert", changed, "--base", BASE, "-o", folder.resolve("none.gguf")),
                changed
                        + ": tensor \"model.layers.0.self_attn.k_proj.weight\": is changed by an update of shape [256,"
                        + " 256], in the base model it is [128, 256]");
    }

    @Test
    void magnitudesOfDora() throws IOException {
        Path changed = adapter("plain", config -> config.put("use_dora", true));
        assertThat(merge(changed).firstError())
                .endsWith("lora_A.weight\": use_dora is true, and there is no lora_magnitude_vector");
        refused(
                Cli.run("convert", ADAPTERS.resolve("dora"), "--base", BASE, "-o", folder.resolve("none.gguf")),
                "test-data/lora/dora: tensor \"model.layers.1.mlp.gate_proj.weight\": is changed by DoRA, which an"
                        + " adapter in GGUF cannot say");
        String q = "base_model.model.model.layers.0.self_attn.q_proj.";
        changed = adapter(tensors().put(q + "lora_magnitude_vector", "F16", "[2]", new byte[4]));
        refused(
                merge(changed),
                changed + ": tensor \"" + q + "lora_magnitude_vector\": expected 256 lengths, found the shape [2]");
    }

    @Test
    void wholeTensors() throws IOException {
        refused(
                Cli.run("convert", ADAPTERS.resolve("saved"), "--base", BASE, "-o", folder.resolve("none.gguf")),
                "test-data/lora/saved: tensor \"model.layers.0.input_layernorm.weight\": is replaced whole, which an"
                        + " adapter in GGUF cannot say");
        refused(
                merge(ADAPTERS.resolve("saved") + ":0.5"),
                "test-data/lora/saved: tensor \"model.layers.0.input_layernorm.weight\": is replaced whole by the"
                        + " adapter, which cannot be done by a factor of 0.5");
        Path changed =
                adapter(tensors().put("base_model.model.lm_head.modules_to_save.weight", "F16", "[2]", new byte[4]));
        refused(
                merge(changed),
                changed + ": tensor \"lm_head.weight\": has the shape [2], in the base model it is [2048, 256]");
        changed = adapter(tensors().put("base_model.model.lm_head.base_layer.weight", "F16", "[2]", new byte[4]));
        assertThat(merge(changed).code()).isZero();
    }

    @Test
    void placesThatAreWrong() throws IOException {
        refused(merge(BASE), BASE + ": no adapter_config.json in it");
        Path empty = adapter("plain", config -> {});
        Files.delete(empty.resolve("adapter_model.safetensors"));
        refused(merge(empty), empty + ": no adapter_model.safetensors or adapter_model.bin beside adapter_config.json");
        refused(
                Cli.run(
                        "convert",
                        Tampered.META,
                        "--lora",
                        ADAPTERS.resolve("plain"),
                        "-o",
                        folder.resolve("none.gguf")),
                "test-data/lora/plain: is for a model in Hugging Face's layout, and test-data/models/tolstoy-4m-meta"
                        + " is in Meta's");
        Path file = folder.resolve("base.gguf");
        assertThat(Cli.run("convert", BASE, "-o", file).code()).isZero();
        refused(
                Cli.run("convert", file, "--lora", ADAPTERS.resolve("plain"), "-o", folder.resolve("none.gguf")),
                file + ": is a GGUF file, and an adapter is merged into a checkpoint");
        refused(
                Cli.run("convert", ADAPTERS.resolve("plain"), "-o", folder.resolve("none.gguf")),
                "test-data/lora/plain: is a LoRA adapter, not a model");
        refused(
                Cli.run("convert", ADAPTERS.resolve("plain"), "--base", folder, "-o", folder.resolve("none.gguf")),
                folder + ": no config.json in it");
        refused(
                Cli.run(
                        "convert",
                        ADAPTERS.resolve("plain"),
                        "--base",
                        BASE,
                        "-t",
                        "Q4_0",
                        "-o",
                        folder.resolve("none.gguf")),
                "test-data/lora/plain: an adapter becomes F32, F16, BF16 or Q8_0, not Q4_0");
        Cli.Run both = Cli.run("convert", BASE, "--base", BASE, "--lora", ADAPTERS.resolve("plain"));
        assertThat(both.firstError())
                .isEqualTo("error: --base makes a GGUF of an adapter, --lora merges one: give one of them");
        assertThat(both.code()).isEqualTo(2);
        assertThat(merge(ADAPTERS.resolve("plain") + ":NaN").code()).isEqualTo(2);
    }
}
