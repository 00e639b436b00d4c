package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stands in a Unigram tokenizer.json, and what is refused; whole vocabularies are compared with the peer's. */
class XlmRobertaVocabularyTest {
    private static final String PIECES = "[[\"<s>\", 0], [\"<pad>\", 0], [\"</s>\", 0], [\"<unk>\", 0], [\"a\", -1.5],"
            + " [\"<x>\", -2], [\"<mask>\", 0]]";
    private static final String ADDED = "[{\"id\": 0, \"content\": \"<s>\"}, {\"id\": 3, \"content\": \"<unk>\"},"
            + " {\"id\": 5, \"content\": \"<x>\"}]";

    @TempDir
    Path directory;

    @Test
    void tokensHaveTheirKinds() throws Exception {
        json("Unigram", PIECES, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AQI=\"}");
        Files.writeString(
                directory.resolve("tokenizer_config.json"),
                "{\"unk_token\": \"<unk>\", \"add_prefix_space\": false, \"clean_up_tokenization_spaces\": true}");
        Vocabulary vocabulary = read(9);
        assertThat(Arrays.stream(vocabulary.tokens())
                        .map(token -> new String(token, StandardCharsets.UTF_8))
                        .toList())
                .containsExactly("<s>", "<pad>", "</s>", "<unk>", "a", "<x>", "<mask>", "[PAD7]", "[PAD8]");
        assertThat(vocabulary.types())
                .containsExactly(
                        TokenType.CONTROL,
                        TokenType.CONTROL,
                        TokenType.CONTROL,
                        TokenType.UNKNOWN,
                        TokenType.NORMAL,
                        TokenType.USER_DEFINED,
                        TokenType.CONTROL,
                        TokenType.UNUSED,
                        TokenType.UNUSED);
        assertThat(vocabulary.scores()).containsExactly(0, 0, 0, 0, -1.5f, -2, 0, -10000, -10000);
        assertThat(vocabulary.settings().bool(Vocabulary.ADD_SPACE_PREFIX)).contains(false);
        assertThat(vocabulary.settings().bool(Vocabulary.REMOVE_EXTRA_WHITESPACES))
                .contains(true);
        assertThat(vocabulary.settings().get(Vocabulary.CHARACTER_MAP))
                .hasValueSatisfying(
                        map -> assertThat(((GgufValue.Ints) map).values()).containsExactly(1, 2));
    }

    @Test
    void aMapInASequenceIsFound() throws Exception {
        json(
                "Unigram",
                PIECES,
                "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Precompiled\","
                        + " \"precompiled_charsmap\": \"Aw==\"}]}");
        assertThat(read(7).settings().get(Vocabulary.CHARACTER_MAP))
                .hasValueSatisfying(
                        map -> assertThat(((GgufValue.Ints) map).values()).containsExactly(3));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "BPE|{}|null|model.type: expected Unigram, found \"BPE\"",
                "Unigram|[[\"a\"]]|null|model.vocab[0]: expected a token and a score, found ARRAY [\"a\"]",
                "Unigram|[]|{\"type\": \"Precompiled\", \"precompiled_charsmap\":"
                        + " \"!!!!\"}|normalizer.precompiled_charsmap: expected base64: Illegal base64 character 21"
            })
    void whatIsWrongIsSaid(String kind, String pieces, String normalizer, String message) throws Exception {
        json(kind, pieces, normalizer);
        assertThatThrownBy(() -> read(7))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve("tokenizer.json") + ": " + message);
    }

    private Vocabulary read(int rows) {
        return HuggingFaceVocabulary.read(
                directory,
                new HuggingFaceVocabulary.Request(
                        List.of(VocabularyKind.XLM_ROBERTA), OptionalLong.of(rows), Optional.empty()),
                notice -> {});
    }

    private void json(String kind, String pieces, String normalizer) throws IOException {
        Files.writeString(
                directory.resolve("tokenizer.json"),
                "{\"added_tokens\": " + (pieces.equals(PIECES) ? ADDED : "[]")
                        + ", \"normalizer\": " + normalizer + ", \"model\": {\"type\": \"" + kind
                        + "\", \"unk_id\": 3, \"vocab\": " + pieces + "}}");
    }
}
