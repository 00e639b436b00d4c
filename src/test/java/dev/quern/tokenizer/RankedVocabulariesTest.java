package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** tekken.json and tiktoken files, key by key as llama.cpp's converter writes them (scripts/record-ranked-vocabularies). */
class RankedVocabulariesTest {
    private static final Path FOLDER = Path.of("test-data/tokenizer/ranked");
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @ParameterizedTest
    @CsvSource({"tekken-v3, TEKKEN, 343", "tekken-v7, TEKKEN, 350", "qwen, QWEN, 540"})
    void theKeysAreThePeers(String name, VocabularyKind kind, int rows) {
        List<String> notices = new ArrayList<>();
        Vocabulary vocabulary = HuggingFaceVocabulary.read(
                FOLDER.resolve(name),
                new HuggingFaceVocabulary.Request(List.of(kind), OptionalLong.of(rows), Optional.empty()),
                notices::add);
        assertThat(vocabulary.size()).isEqualTo(rows);
        GgufMetadata keys = new GgufMetadata();
        vocabulary.writeTo(keys);
        List<String> found = new ArrayList<>();
        keys.asMap().forEach((key, value) -> found.add(key + " " + type(value) + " " + value(value)));
        List<String> expected = new ArrayList<>();
        for (JsonNode key : JSON.readTree(FOLDER.resolve(name + ".json").toFile())) {
            expected.add(key.get(0).asString() + " " + key.get(1).asString() + " " + value(key.get(2)));
        }
        assertThat(found).isEqualTo(expected);
        assertThat(notices).isEmpty();
        // What the peer writes is read again.
        assertThat(Vocabulary.of(keys).tokens()).isDeepEqualTo(vocabulary.tokens());
    }

    @Test
    void scoresThatAreTooFewAreRefused() {
        GgufMetadata keys = new GgufMetadata();
        HuggingFaceVocabulary.read(
                        FOLDER.resolve("tekken-v7"),
                        new HuggingFaceVocabulary.Request(
                                List.of(VocabularyKind.TEKKEN), OptionalLong.empty(), Optional.empty()),
                        notice -> {})
                .writeTo(keys);
        keys.put(Vocabulary.SCORES, new GgufValue.Ints(GgufType.INT32, new long[3]));
        assertThatThrownBy(() -> Vocabulary.of(keys))
                .isInstanceOf(InputException.class)
                .hasMessage("GGUF metadata: tokenizer.ggml.scores: expected 350 values, one for each token, found 3");
    }

    private static String type(GgufValue value) {
        return value instanceof GgufValue.Array array
                ? "ARRAY/" + array.element()
                : value.type().toString();
    }

    private static String value(JsonNode value) {
        if (value.isArray()) {
            return value.valueStream()
                    .map(RankedVocabulariesTest::value)
                    .toList()
                    .toString();
        }
        return value.isFloatingPointNumber() ? Float.toString(value.floatValue()) : value.asString();
    }

    private static String value(GgufValue value) {
        List<String> list = new ArrayList<>();
        switch (value) {
            case GgufValue.Texts texts -> {
                for (int i = 0; i < texts.size(); i++) {
                    list.add(texts.text(i));
                }
            }
            case GgufValue.Ints ints -> {
                assertThat(ints.element()).isEqualTo(GgufType.INT32);
                for (long one : ints.values()) {
                    list.add(Long.toString(one));
                }
            }
            case GgufValue.Floats floats -> {
                for (float one : floats.values()) {
                    list.add(Float.toString(one));
                }
            }
            case GgufValue.Text text -> {
                return text.text();
            }
            case GgufValue.Int number -> {
                return Long.toString(number.value());
            }
            case GgufValue.Bool bool -> {
                return Boolean.toString(bool.value());
            }
            default -> throw new AssertionError(value);
        }
        return list.toString();
    }
}
