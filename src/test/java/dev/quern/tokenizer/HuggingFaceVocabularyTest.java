package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.tokenizer.proto.ModelProto;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class HuggingFaceVocabularyTest {
    private static final Path MODEL = Path.of("test-data/models/tolstoy-4m");

    @TempDir
    private Path directory;

    @Test
    void bundledModelGivesTheKeysOfConvertHfToGguf() throws Exception {
        JsonNode golden = JsonMapper.shared().readTree(Path.of("test-data/golden/convert.json"));
        List<List<String>> expected = new ArrayList<>();
        for (JsonNode entry : golden.get("metadata_f16")) {
            if (entry.get(0).stringValue().startsWith("tokenizer.")) {
                JsonNode value = entry.get(2);
                expected.add(List.of(
                        entry.get(0).stringValue(),
                        entry.get(1).stringValue(),
                        value.isObject() ? value.get("sha256_of_json").stringValue() : value.asString()));
            }
        }
        List<String> notices = new ArrayList<>();
        GgufMetadata metadata = new GgufMetadata();
        HuggingFaceVocabulary.read(MODEL, OptionalLong.of(2048), notices::add).writeTo(metadata);

        List<List<String>> found = new ArrayList<>();
        metadata.asMap().forEach((key, value) -> found.add(List.of(key, type(value), shown(value))));
        assertThat(found).isEqualTo(expected);
        assertThat(notices).isEmpty();
    }

    @Test
    void withoutRowsThereAreAsManyTokensAsPieces() {
        assertThat(read(OptionalLong.empty()).size()).isEqualTo(2048);
        assertThat(read(OptionalLong.of(0)).size()).isEqualTo(2048);
    }

    @Test
    void rowsWithoutATokenArePadding() {
        Vocabulary vocabulary = read(OptionalLong.of(2050));
        assertThat(vocabulary.size()).isEqualTo(2050);
        assertToken(vocabulary, 2047, text(read(OptionalLong.empty()), 2047), -1788f, TokenType.NORMAL);
        assertToken(vocabulary, 2048, "[PAD2048]", -10000f, TokenType.UNUSED);
        assertToken(vocabulary, 2049, "[PAD2049]", -10000f, TokenType.UNUSED);
    }

    @Test
    void morePiecesThanRows() {
        refused(
                OptionalLong.of(2047),
                "tokenizer.model",
                "expected at most 2047 pieces, the rows of the embedding, found 2048");
        refused(
                OptionalLong.of(-1),
                "tokenizer.model",
                "expected at most -1 pieces, the rows of the embedding, found 2048");
    }

    @Test
    void moreRowsThanAnyModelHas() {
        refused(
                OptionalLong.of(1L << 40),
                "tokenizer.model",
                "expected an embedding of at most 4194304 rows, found 1099511627776");
    }

    @Test
    void addedTokens() throws Exception {
        write("added_tokens.json", "{\"<|im_end|>\": 2048, \"two words\": 2049, \"zz9\": 3, \"far\": 2051}");
        List<String> notices = new ArrayList<>();
        Vocabulary vocabulary = HuggingFaceVocabulary.read(directory, OptionalLong.of(2051), notices::add);
        assertToken(vocabulary, 2048, "<|im_end|>", -1000f, TokenType.USER_DEFINED);
        assertToken(vocabulary, 2049, "two words", -1000f, TokenType.USER_DEFINED);
        assertToken(vocabulary, 2050, "[PAD2050]", -10000f, TokenType.UNUSED);
        assertToken(vocabulary, 3, "zz9", -1000f, TokenType.USER_DEFINED);
        assertThat(notices)
                .containsExactly(directory.resolve("added_tokens.json")
                        + ": added token 2051 is left out, the embedding has 2051 rows");
    }

    @Test
    void addedTokensDecoder() throws Exception {
        write("added_tokens.json", "{\"old\": 2049}");
        write("tokenizer_config.json", """
            {"added_tokens_decoder": {
              "0": {"content": "<unk>", "special": true},
              "1": {"content": "<s>", "special": true},
              "2": {"content": "</s>", "special": true},
              "2048": {"content": "\u2581\u2581new", "special": false},
              "2049": {"content": "<|im_end|>"},
              "2050": {"content": "<\uff5ctool\uff5c>"},
              "2051": {"content": "<unused7>"},
              "2052": {"content": "<pad>", "special": false},
              "2053": {"content": "\u2581\u2581x", "special": true},
              "9999": {"content": "far"}}}\
            """);
        List<String> notices = new ArrayList<>();
        Vocabulary vocabulary = HuggingFaceVocabulary.read(directory, OptionalLong.of(2054), notices::add);
        // The peer makes control tokens of these three, with the score of added tokens.
        assertToken(vocabulary, 0, "<unk>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 1, "<s>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 2048, "  new", -1000f, TokenType.USER_DEFINED);
        assertToken(vocabulary, 2049, "<|im_end|>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 2050, "<\uff5ctool\uff5c>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 2051, "<unused7>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 2052, "<pad>", -1000f, TokenType.CONTROL);
        assertToken(vocabulary, 2053, "\u2581\u2581x", -1000f, TokenType.CONTROL);
        assertThat(notices)
                .containsExactly(directory.resolve("tokenizer_config.json")
                        + ": added token 9999 is left out, the embedding has 2054 rows");
    }

    @Test
    void addedTokenThatIsThereAlready() throws Exception {
        write("added_tokens.json", "{\"<s>\": 2048}");
        refused(
                OptionalLong.of(2049),
                "tokenizer.model",
                "with added tokens: expected every token once, found \"<s>\" as ids 1 and 2048");
        write("added_tokens.json", "{\"\": 2048}");
        refused(OptionalLong.of(2049), "added_tokens.json", "token \"\": expected at least one byte, found none");
    }

    @Test
    void spacePrefix() throws Exception {
        write("tokenizer_config.json", "{\"add_prefix_space\": false}");
        assertThat(read(OptionalLong.empty()).addsSpacePrefix()).isFalse();
        write("tokenizer_config.json", "{\"add_prefix_space\": null}");
        assertThat(read(OptionalLong.empty()).settings().asMap()).isEmpty();
        write("tokenizer_config.json", "{\"add_prefix_space\": \"no\"}");
        refused(
                OptionalLong.empty(),
                "tokenizer_config.json",
                "add_prefix_space: expected true or false, found \"no\"");
    }

    @Test
    void codeLlama() throws Exception {
        write("config.json", "{\"bos_token_id\": 1, \"eos_token_id\": 2}");
        write("tokenizer_config.json", "{\"chat_template\": \"t\", \"add_prefix_space\": true}");
        Vocabulary vocabulary = read(OptionalLong.of(32016));
        assertThat(vocabulary.settings().asMap().keySet())
                .containsExactly(
                        "tokenizer.ggml.add_space_prefix",
                        "tokenizer.ggml.model",
                        "tokenizer.ggml.pre",
                        "tokenizer.ggml.tokens",
                        "tokenizer.ggml.scores",
                        "tokenizer.ggml.token_type",
                        "tokenizer.ggml.bos_token_id",
                        "tokenizer.ggml.eos_token_id",
                        "tokenizer.chat_template",
                        "tokenizer.ggml.eot_token_id");
        assertThat(vocabulary.special(SpecialToken.END_OF_TURN)).hasValue(32010);
    }

    @Test
    void graniteWantsNoBos() throws Exception {
        write("tokenizer_config.json", "{\"add_bos_token\": true, \"add_eos_token\": false}");
        Vocabulary vocabulary = read(OptionalLong.of(49152));
        assertThat(vocabulary.settings().asMap().keySet())
                .containsExactly("tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token");
        assertThat(vocabulary.addsBos()).isFalse();
    }

    @Test
    void noticesOfTheModelComeWithItsName() throws Exception {
        Path model = Path.of("test-data/tokenizer/no-bytes.model");
        ModelProto proto = ModelProto.parseFrom(Files.readAllBytes(model));
        Files.write(
                directory.resolve("tokenizer.model"),
                proto.toBuilder()
                        .setNormalizerSpec(proto.getNormalizerSpec().toBuilder().setRemoveExtraWhitespaces(true))
                        .build()
                        .toByteArray());
        List<String> notices = new ArrayList<>();
        HuggingFaceVocabulary.read(directory, OptionalLong.empty(), notices::add);
        assertThat(notices)
                .containsExactly(directory.resolve("tokenizer.model")
                        + ": runs of spaces are kept, as llama.cpp keeps them, although the model folds them");
    }

    @Test
    void addedTokenIds() throws Exception {
        write("added_tokens.json", "{\"a\": -1}");
        refused(
                OptionalLong.empty(),
                "added_tokens.json",
                "\"a\": expected an id from 0 to 2147483647, found NUMBER -1");
        write("added_tokens.json", "{\"a\": 4294967296}");
        refused(
                OptionalLong.empty(),
                "added_tokens.json",
                "\"a\": expected an id from 0 to 2147483647, found NUMBER 4294967296");
        write("added_tokens.json", "{\"a\": \"1\"}");
        refused(OptionalLong.empty(), "added_tokens.json", "\"a\": expected an id from 0 to 2147483647, found \"1\"");
        write("added_tokens.json", "{\"a\\u0000\": 1}");
        refused(
                OptionalLong.empty(),
                "added_tokens.json",
                "token \"a\\u{0}\": expected no NUL, at which llama.cpp would cut it");
    }

    @Test
    void addedTokensDecoderIds() throws Exception {
        write("tokenizer_config.json", "{\"added_tokens_decoder\": {\"1.5\": {\"content\": \"a\"}}}");
        refused(OptionalLong.empty(), "tokenizer_config.json", "added_tokens_decoder: expected an id, found \"1.5\"");
        write("tokenizer_config.json", "{\"added_tokens_decoder\": {\"1\": {\"content\": 7}}}");
        refused(
                OptionalLong.empty(),
                "tokenizer_config.json",
                "added_tokens_decoder: 1: content: expected a string, found NUMBER 7");
    }

    @Test
    void withoutTokenizerModel() throws Exception {
        Files.delete(directory.resolve("tokenizer.model"));
        refusedDirectory(
                "expected tekken.json or tokenizer.model or tokenizer.json or vocab.json, found no tokenizer file");
        write("vocab.txt", "a");
        refusedDirectory(
                "expected tekken.json or tokenizer.model or tokenizer.json or vocab.json, found only vocab.txt");
    }

    @BeforeEach
    void modelAlone() throws IOException {
        Files.copy(MODEL.resolve("tokenizer.model"), directory.resolve("tokenizer.model"));
    }

    private Vocabulary read(OptionalLong rows) {
        return HuggingFaceVocabulary.read(directory, rows, notice -> {});
    }

    private void write(String file, String text) throws IOException {
        Files.writeString(directory.resolve(file), text);
    }

    private void refused(OptionalLong rows, String file, String message) {
        Hostile.thrownBy(() -> read(rows))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve(file) + ": " + message);
    }

    private void refusedDirectory(String message) {
        Hostile.thrownBy(() -> read(OptionalLong.empty()))
                .isInstanceOf(InputException.class)
                .hasMessage(directory + ": " + message);
    }

    private static String text(Vocabulary vocabulary, int id) {
        return new String(vocabulary.tokens()[id], StandardCharsets.UTF_8);
    }

    private static void assertToken(Vocabulary vocabulary, int id, String text, float score, TokenType type) {
        assertThat(text(vocabulary, id)).isEqualTo(text);
        assertThat(vocabulary.scores()[id]).isEqualTo(score);
        assertThat(vocabulary.types()[id]).isEqualTo(type);
    }

    private static String type(GgufValue value) {
        return value instanceof GgufValue.Array array
                ? "ARRAY/" + array.element()
                : value.type().toString();
    }

    /** Arrays as the SHA-256 of Python's json.dumps(values, ensure_ascii=False). */
    private static String shown(GgufValue value) {
        return switch (value) {
            case GgufValue.Text text -> text.text();
            case GgufValue.Int number -> Long.toString(number.value());
            case GgufValue.Bool bool -> Boolean.toString(bool.value());
            case GgufValue.Texts texts -> {
                List<String> parts = new ArrayList<>();
                for (int i = 0; i < texts.size(); i++) {
                    parts.add(JsonMapper.shared().writeValueAsString(texts.text(i)));
                }
                yield sha256(parts);
            }
            case GgufValue.Floats floats -> {
                List<String> parts = new ArrayList<>();
                for (float f : floats.values()) {
                    parts.add(Float.toString(f));
                }
                yield sha256(parts);
            }
            case GgufValue.Ints ints -> {
                List<String> parts = new ArrayList<>();
                for (long i : ints.values()) {
                    parts.add(Long.toString(i));
                }
                yield sha256(parts);
            }
            default -> throw new AssertionError(value);
        };
    }

    private static String sha256(List<String> parts) {
        try {
            byte[] json = ("[" + String.join(", ", parts) + "]").getBytes(StandardCharsets.UTF_8);
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(json));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
