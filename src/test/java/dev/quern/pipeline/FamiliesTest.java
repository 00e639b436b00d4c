package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Every family's tiny model, converted, against what llama.cpp's convert_hf_to_gguf.py made of it (of GPT-J, for which it
 * has no class, its base class by the names in gguf-py).
 */
class FamiliesTest {
    /** In the place of a digest: the values follow from an exponential, which is not the same on every processor. */
    private static final String APART = "(compared by value)";

    @TempDir
    Path folder;

    static List<Family> families() {
        return Family.all();
    }

    @ParameterizedTest
    @MethodSource("families")
    void convertsAsThePeerDoes(Family family) throws Exception {
        Path checkpoint = family.write(folder);
        for (FileType type : List.of(FileType.F32, FileType.F16)) {
            Path out = convert(checkpoint, type);
            same(tensors(out), recorded(family, type), type.toString());
            if (type == FileType.F32) {
                same(keys(out), recordedKeys(family), "keys");
            }
            if (!family.name().endsWith("mamba")) {
                assertThat(digest(Files.readAllBytes(out)))
                        .as("%s", type)
                        .isEqualTo(family.recorded()
                                .get(type.name())
                                .get("file_sha256")
                                .asString());
            }
        }
    }

    /** Mamba's A is -exp of what is stored; torch rounds its last place as the processor has it. */
    @Test
    void exponentialsAreWithinOneUnitInTheLastPlace() throws Exception {
        Family family = Family.of("mamba");
        Path out = convert(family.write(folder), FileType.F32);
        int compared = 0;
        try (GgufFile gguf = GgufFile.open(out)) {
            for (JsonNode tensor : family.recorded().get("F32").get("tensors")) {
                if (tensor.size() == 5) {
                    FloatBuffer theirs =
                            floats(HexFormat.of().parseHex(tensor.get(4).asString()));
                    String name = tensor.get(0).asString();
                    FloatBuffer ours = floats(gguf.region(name)
                            .bytes(
                                    0,
                                    Math.toIntExact(Objects.requireNonNull(
                                                    gguf.tensors().get(name))
                                            .bytes())));
                    assertThat(ours.remaining()).isEqualTo(theirs.remaining());
                    while (ours.hasRemaining()) {
                        int expected = Float.floatToIntBits(theirs.get());
                        assertThat(Math.abs(Float.floatToIntBits(ours.get()) - expected))
                                .isLessThanOrEqualTo(1);
                        compared++;
                    }
                }
            }
        }
        assertThat(compared).isEqualTo(2 * 64 * 4);
    }

    private static FloatBuffer floats(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    /** What a GGUF of the family has no place for, so that a runner would compute something else. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "olmoe|clip_qkv|8.0|a GGUF of OLMoE cannot say that queries, keys and values are clamped",
                "olmoe|norm_topk_prob|true|a GGUF of OLMoE cannot say that the experts' weights add up to one",
                "cohere2|sliding_window_pattern|2|in a GGUF of Command-R7B every fourth layer sees everything",
                "cohere2|layer_types|[\"full_attention\", \"sliding_attention\"]|in a GGUF of Command-R7B every fourth"
                        + " layer sees everything",
                "gptj|activation_function|\"gelu\"|a GGUF of GPT-J has GELU in its tanh form here",
                "gptj|rotary_dim|20|more elements turn than a head has",
                "xlm-roberta|lora_adaptations|[\"retrieval\"]|the adapters of jina-embeddings-v3 are not part of this"
                        + " page"
            })
    void whatHasNoPlaceIsRefused(String name, String field, String value, String because) throws Exception {
        Family family = Family.of(name);
        ObjectNode recorded = (ObjectNode) family.recorded().deepCopy();
        ((ObjectNode) recorded.get("config"))
                .set(field, JsonMapper.builder().build().readTree(value));
        Path checkpoint = new Family(name, recorded).write(folder);
        assertThatThrownBy(() -> convert(checkpoint, FileType.F32))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(checkpoint.resolve("config.json") + ": ")
                .hasMessageEndingWith(because);
    }

    /** Command-R7B's biases are left out because they are zeros; others are not left out. */
    @Test
    void biasesThatAreNoZerosAreRefused() throws Exception {
        Family family = Family.of("cohere2");
        ObjectNode recorded = (ObjectNode) family.recorded().deepCopy();
        recorded.get("tensors").forEach(tensor -> {
            if (tensor.get(0).asString().equals("model.layers.2.self_attn.v_proj.bias")) {
                ((ArrayNode) tensor).remove(3);
            }
        });
        Path checkpoint = new Family("biased", recorded).write(folder);
        assertThatThrownBy(() -> convert(checkpoint, FileType.F32))
                .isInstanceOf(InputException.class)
                .hasMessage(checkpoint + ": tensor \"model.layers.2.self_attn.v_proj.bias\", element [0]: expected 0,"
                        + " found 0.091796875");
    }

    /** What the configuration leaves out is what the family's configuration class has as its default. */
    @ParameterizedTest
    @MethodSource("families")
    void sparseConfigurationsMeanTheSame(Family family) throws Exception {
        JsonNode sparse = family.recorded().get("sparse");
        if (sparse == null) {
            return;
        }
        Path checkpoint = family.write(folder);
        Files.writeString(checkpoint.resolve("config.json"), sparse.toString());
        Path out = convert(checkpoint, FileType.F32);
        same(keys(out), recordedKeys(family), "keys");
        same(tensors(out), recorded(family, FileType.F32), "tensors");
    }

    /** First what only one side has, which is what one wants to read; then the order. */
    private static void same(List<String> ours, List<String> theirs, String what) {
        List<String> added = new ArrayList<>(ours);
        added.removeAll(theirs);
        List<String> lacking = new ArrayList<>(theirs);
        lacking.removeAll(ours);
        assertThat(added).as(what + " of ours alone; theirs alone: " + lacking).isEmpty();
        assertThat(lacking).as(what + " of theirs alone").isEmpty();
        assertThat(ours).as(what).isEqualTo(theirs);
    }

    private Path convert(Path checkpoint, FileType type) throws IOException {
        return convert(checkpoint, type, folder);
    }

    static Path convert(Path checkpoint, FileType type, Path folder) throws IOException {
        Path out = folder.resolve(type + ".gguf");
        try (Source source = Source.open(checkpoint)) {
            Conversion.run(
                    List.of(new Conversion.Output(CheckpointTypes.plan(source, type), out)),
                    source.model().paths(),
                    new Conversion.Options(1, Kernel.SCALAR, true, false, Progress.SILENT));
        }
        return out;
    }

    private static List<String> recorded(Family family, FileType type) {
        List<String> tensors = new ArrayList<>();
        for (JsonNode tensor : family.recorded().get(type.name()).get("tensors")) {
            boolean compared = tensor.size() == 4;
            tensors.add(tensor.get(0).asString() + " " + tensor.get(1).asString() + " " + shape(tensor.get(2)) + " "
                    + (compared ? tensor.get(3).asString() : APART));
        }
        return tensors;
    }

    private static String shape(JsonNode dims) {
        return dims.valueStream().map(JsonNode::toString).collect(Collectors.joining(", ", "[", "]"));
    }

    private static List<String> tensors(Path file) throws Exception {
        List<String> tensors = new ArrayList<>();
        try (GgufFile gguf = GgufFile.open(file)) {
            for (GgufTensor tensor : gguf.tensors().values()) {
                tensors.add(tensor.name() + " " + tensor.type() + " " + tensor.shape() + " "
                        + (tensor.name().endsWith(".ssm_a")
                                ? APART
                                : digest(gguf.region(tensor.name()).bytes(0, Math.toIntExact(tensor.bytes())))));
            }
        }
        return tensors;
    }

    private static List<String> recordedKeys(Family family) {
        List<String> keys = new ArrayList<>();
        for (JsonNode key : family.recorded().get("keys")) {
            JsonNode value = key.get(2);
            boolean digest = value.isString() && value.asString().startsWith("sha256 ");
            keys.add(key.get(0).asString() + " " + key.get(1).asString() + " " + (digest ? "(long)" : value(value)));
        }
        return keys;
    }

    private static String value(JsonNode value) {
        if (value.isArray()) {
            return value.valueStream().map(FamiliesTest::value).collect(Collectors.joining(", ", "[", "]"));
        }
        return value.isFloatingPointNumber() ? Float.toString(value.floatValue()) : value.asString();
    }

    private static List<String> keys(Path file) {
        List<String> keys = new ArrayList<>();
        try (GgufFile gguf = GgufFile.open(file)) {
            gguf.metadata().asMap().forEach((key, value) -> {
                keys.add(key + " " + type(value) + " " + value(value));
            });
        }
        return keys;
    }

    private static String type(GgufValue value) {
        return value instanceof GgufValue.Array array
                ? "ARRAY/" + array.element()
                : value.type().toString();
    }

    private static String value(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> Long.toString(number.value());
            case GgufValue.Real number -> Float.toString((float) number.value());
            case GgufValue.Bool bool -> Boolean.toString(bool.value());
            case GgufValue.Text text -> text.text();
            case GgufValue.Array array when array.size() > 64 -> "(long)";
            case GgufValue.Ints ints ->
                Arrays.stream(ints.values())
                        .mapToObj(i -> ints.element() == GgufType.BOOL ? Boolean.toString(i != 0) : Long.toString(i))
                        .collect(Collectors.joining(", ", "[", "]"));
            case GgufValue.Floats floats -> Arrays.toString(floats.values());
            case GgufValue.Doubles doubles -> Arrays.toString(doubles.values());
            case GgufValue.Texts texts ->
                Arrays.stream(texts.values())
                        .map(text -> new String(text, java.nio.charset.StandardCharsets.UTF_8))
                        .collect(Collectors.joining(", ", "[", "]"));
        };
    }

    private static String digest(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
