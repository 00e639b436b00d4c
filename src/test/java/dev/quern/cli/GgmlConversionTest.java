package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.tokenizer.TokenType;
import dev.quern.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Files of llama.cpp before GGUF become GGUF: names, blocks, metadata and vocabulary. */
class GgmlConversionTest {
    private static final Path FILES = Path.of("test-data/ggml");
    private static final Map<String, String> NAMES = Map.of(
            "tok_embeddings", "token_embd",
            "layers.0.attention.wq", "blk.0.attn_q",
            "layers.0.attention.wk", "blk.0.attn_k",
            "layers.0.attention.wo", "blk.0.attn_output",
            "layers.0.feed_forward.w1", "blk.0.ffn_gate",
            "layers.0.feed_forward.w2", "blk.0.ffn_down",
            "layers.0.feed_forward.w3", "blk.0.ffn_up",
            "layers.0.ffn_norm", "blk.0.ffn_norm",
            "norm", "output_norm");

    @TempDir
    Path folder;

    static Stream<String> files() {
        return values().propertyNames().stream();
    }

    private static JsonNode values() {
        return new JsonMapper().readTree(FILES.resolve("values.json").toFile());
    }

    private Path converted(String name) {
        Path out = folder.resolve("out.gguf");
        assertThat(Cli.run("convert", FILES.resolve(name), "-o", out).code()).isZero();
        return out;
    }

    @ParameterizedTest
    @MethodSource("files")
    void tensorsKeepTheirTypes(String name) throws Exception {
        JsonNode expected = values().get(name);
        try (GgufFile file = GgufFile.open(converted(name))) {
            assertThat(file.tensors()).hasSize(12);
            for (Map.Entry<String, String> entry : NAMES.entrySet()) {
                JsonNode old = expected.get(entry.getKey() + ".weight");
                GgufTensor tensor = file.tensor(entry.getValue() + ".weight").orElseThrow();
                if (old.get("gguf") == null) {
                    assertThat(tensor.type()).hasToString("F32");
                    assertThat(sha256(file, tensor)).isEqualTo(old.get("values").stringValue());
                } else {
                    assertThat(tensor.type()).hasToString(old.get("type").stringValue());
                    assertThat(sha256(file, tensor)).isEqualTo(old.get("gguf").stringValue());
                }
            }
        }
    }

    private static String sha256(GgufFile file, GgufTensor tensor) throws Exception {
        byte[] bytes = file.region(tensor.name()).bytes(0, (int) tensor.bytes());
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    @ParameterizedTest
    @MethodSource("files")
    void metadataAndVocabulary(String name) {
        try (GgufFile file = GgufFile.open(converted(name))) {
            assertThat(file.metadata().architecture()).isEqualTo("llama");
            assertThat(file.metadata().text("general.name")).hasValue(name.replace(".bin", ""));
            assertThat(file.metadata().integer("llama.block_count")).hasValue(1);
            assertThat(file.metadata().integer("llama.embedding_length")).hasValue(32);
            assertThat(file.metadata().integer("llama.feed_forward_length")).hasValue(256);
            assertThat(file.metadata().integer("llama.attention.head_count")).hasValue(2);
            assertThat(file.metadata().integer("llama.attention.head_count_kv")).hasValue(2);
            assertThat(file.metadata().integer("llama.rope.dimension_count")).hasValue(16);
            assertThat(file.metadata().integer("llama.context_length")).hasValue(2048);
            assertThat(file.metadata().get("llama.attention.layer_norm_rms_epsilon"))
                    .hasValue(GgufValue.f32(1e-6f));
            assertThat(file.metadata().integer("general.file_type"))
                    .hasValue(Integer.parseInt(name.replaceAll(".*-([0-9]+)\\.bin", "$1")));
            Vocabulary vocabulary = Vocabulary.of(file.metadata());
            assertThat(vocabulary.size()).isEqualTo(262);
            assertToken(vocabulary, 0, "<unk>", 0, TokenType.UNKNOWN);
            assertToken(vocabulary, 1, "<s>", 0, TokenType.CONTROL);
            assertToken(vocabulary, 2, "</s>", 0, TokenType.CONTROL);
            assertToken(vocabulary, 3, "<0x00>", 0, TokenType.BYTE);
            assertToken(vocabulary, 3 + 0xe9, "<0xE9>", 0, TokenType.BYTE);
            assertToken(vocabulary, 259, "▁the", 0, TokenType.NORMAL);
            assertToken(vocabulary, 260, "a", -1, TokenType.NORMAL);
            assertToken(vocabulary, 261, "▁grüß", -2, TokenType.NORMAL);
        }
    }

    private static void assertToken(Vocabulary vocabulary, int id, String text, float score, TokenType type) {
        assertThat(new String(vocabulary.tokens()[id], StandardCharsets.UTF_8)).isEqualTo(text);
        assertThat(vocabulary.scores()[id]).isEqualTo(score);
        assertThat(vocabulary.types()[id]).isEqualTo(type);
    }

    @Test
    void toAFloatTypeDirectly() {
        Path out = folder.resolve("f16.gguf");
        assertThat(Cli.run("convert", FILES.resolve("ggjt-1-8.bin"), "-t", "F16", "-o", out)
                        .code())
                .isZero();
        try (GgufFile file = GgufFile.open(out)) {
            assertThat(file.tensor("blk.0.attn_q.weight").orElseThrow().type()).hasToString("F16");
        }
    }

    @Test
    void toAnotherQuantizedTypeOnlyWhenAllowed() {
        Path out = folder.resolve("q.gguf");
        Cli.Run run = Cli.run("convert", FILES.resolve("ggjt-3-2.bin"), "-t", "Q5_1", "-o", out);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.err()).contains("is already quantized");
        assertThat(out).doesNotExist();
    }

    @Test
    void inspectSaysWhatItIs() {
        Cli.Run run = Cli.run("inspect", FILES.resolve("ggjt-1-8.bin"));
        assertThat(run.code()).isZero();
        assertThat(run.out()).startsWith("test-data/ggml/ggjt-1-8.bin: GGJT v1, architecture llama, 12 tensors");
    }

    @Test
    void partOfAModel() throws Exception {
        Path first = Files.copy(FILES.resolve("ggml-2.bin"), folder.resolve("ggml-model.bin"));
        Path second = Files.copy(FILES.resolve("ggml-2.bin"), folder.resolve("ggml-model.bin.1"));
        for (Path part : new Path[] {first, second}) {
            Cli.Run run = Cli.run("convert", part);
            assertThat(run.code()).isEqualTo(3);
            assertThat(run.firstError())
                    .isEqualTo(
                            "error: " + part + ": is one of the parts that a model was cut into before 30 March 2023");
        }
    }
}
