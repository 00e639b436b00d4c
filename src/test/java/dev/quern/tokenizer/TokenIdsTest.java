package dev.quern.tokenizer;

import static dev.quern.tokenizer.TokenComparison.LINES;
import static dev.quern.tokenizer.TokenComparison.assertSameAsLlamaCpp;
import static dev.quern.tokenizer.TokenComparison.encode;
import static dev.quern.tokenizer.TokenComparison.isOtherwiseAsWordPieces;
import static dev.quern.tokenizer.TokenComparison.isRecorded;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The ids of five thousand lines, for each kind of tokenizer and each way of cutting text: those of Hugging Face's
 * tokenizers and of SentencePiece (recorded by scripts/make-token-ids), and those of llama.cpp for the GGUF that Quern
 * makes of the files.
 */
class TokenIdsTest {
    private static final Path FOLDER = Path.of("test-data/tokenizer/ids");
    private static final JsonMapper MAPPER = JsonMapper.shared();
    private static final JsonNode RECORDED = MAPPER.readTree(FOLDER.resolve("ids.json"));

    /**
     * llama.cpp takes every letter that is not of a to z for upper and of A to Z for lower case where the first two ask
     * Unicode, and looks for the third's digits before bytes are spelled. Quern's words are llama.cpp's.
     */
    private static final Set<String> NOT_AS_TRAINED = Set.of("gpt-4o", "tekken", "falcon");

    @TempDir
    private Path directory;

    @Test
    void thereAreFiveThousandLines() {
        assertThat(LINES).hasSize(5000);
        assertThat(RECORDED.get("byte_level").size()).isGreaterThan(12);
    }

    static Stream<JsonNode> byteLevel() {
        return RECORDED.get("byte_level").valueStream();
    }

    @ParameterizedTest
    @MethodSource("byteLevel")
    void huggingFaceTokenizers(JsonNode one) throws Exception {
        Vocabulary vocabulary = byteLevel(one);
        assertThat(vocabulary.pre()).contains(one.get("name").stringValue());
        HuggingFaceTokenizer theirs = new HuggingFaceTokenizer(TokenizerJson.read(directory.resolve("tokenizer.json")));
        assertRecorded(
                one, LINES.stream().map(line -> theirs.encode(line, false)).toList());
        Tokenizer ours = Tokenizer.of(vocabulary);
        List<int[]> ids = encode(ours, LINES);
        if (!NOT_AS_TRAINED.contains(one.get("name").stringValue())) {
            assertRecorded(one, ids);
        }
        for (int i = 0; i < ids.size(); i++) {
            assertThat(new String(ours.decode(ids.get(i)), StandardCharsets.UTF_8))
                    .isEqualTo(LINES.get(i));
        }
    }

    /** Every name that Quern tokenizes with, one of each way of cutting and of treating whole words. */
    static Stream<String> names() {
        Map<String, String> distinct = new TreeMap<>();
        for (PreTokenizer one : PreTokenizer.page().names()) {
            if (one.split() != null) {
                distinct.putIfAbsent(one.split() + one.ignoreMerges() + one.addBos(), one.name());
            }
        }
        return new TreeSet<>(distinct.values()).stream();
    }

    @ParameterizedTest
    @MethodSource("names")
    void llamaCpp(String name) throws Exception {
        JsonNode first = RECORDED.get("byte_level").get(0);
        write(first);
        Vocabulary vocabulary = HuggingFaceVocabulary.read(
                directory,
                new HuggingFaceVocabulary.Request(
                        List.of(VocabularyKind.GPT2), OptionalLong.empty(), Optional.of(name)),
                notice -> {});
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    @Test
    void wordPiece() throws Exception {
        Files.copy(FOLDER.resolve("word-piece.json"), directory.resolve("tokenizer.json"));
        Files.writeString(directory.resolve("tokenizer_config.json"), """
            {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
             "mask_token": "[MASK]"}
            """);
        Vocabulary vocabulary = read(VocabularyKind.WORDPIECE);
        assertThat(vocabulary.model()).isEqualTo(TokenizerModel.WORD_PIECE);
        HuggingFaceTokenizer theirs = new HuggingFaceTokenizer(TokenizerJson.read(directory.resolve("tokenizer.json")));
        assertRecorded(
                RECORDED.get("word_piece"),
                LINES.stream().map(line -> theirs.encode(line, false)).toList());
        assertSameAsLlamaCpp(vocabulary, directory);
        List<int[]> ids = encode(Tokenizer.of(vocabulary), LINES);
        String recorded = RECORDED.get("word_piece").get("lines").stringValue();
        for (int i = 0; i < LINES.size(); i++) {
            if (!isOtherwiseAsWordPieces(LINES.get(i))) {
                assertThat(isRecorded(recorded, i, ids.get(i))).as(LINES.get(i)).isTrue();
            }
        }
    }

    /** Where two ways to cut a line have the same score, SentencePiece and Hugging Face take different ones. */
    @Test
    void unigram() throws Exception {
        Files.copy(FOLDER.resolve("unigram.model"), directory.resolve("spiece.model"));
        Vocabulary vocabulary = read(VocabularyKind.UNIGRAM);
        assertThat(vocabulary.model()).isEqualTo(TokenizerModel.UNIGRAM);
        assertSameAsLlamaCpp(vocabulary, directory);
        List<int[]> ids = encode(Tokenizer.of(vocabulary), LINES);
        String sentencePiece = RECORDED.get("unigram").get("sentencepiece").stringValue();
        String huggingFace = RECORDED.get("unigram").get("tokenizers").stringValue();
        int same = 0;
        for (int i = 0; i < LINES.size(); i++) {
            boolean asSentencePiece = isRecorded(sentencePiece, i, ids.get(i));
            assertThat(asSentencePiece || isRecorded(huggingFace, i, ids.get(i)))
                    .as(LINES.get(i))
                    .isTrue();
            same += asSentencePiece ? 1 : 0;
        }
        assertThat(same).isGreaterThan(4900);
    }

    private Vocabulary read(VocabularyKind kind) {
        return HuggingFaceVocabulary.read(
                directory,
                new HuggingFaceVocabulary.Request(List.of(kind), OptionalLong.empty(), Optional.empty()),
                notice -> {});
    }

    private Vocabulary byteLevel(JsonNode one) throws IOException {
        write(one);
        return read(VocabularyKind.GPT2);
    }

    /** A tokenizer.json that cuts text as {@code one} says. */
    private void write(JsonNode one) throws IOException {
        ObjectNode model = (ObjectNode) MAPPER.readTree(FOLDER.resolve("byte-level.json"));
        model.put("type", "BPE").put("ignore_merges", one.get("ignore_merges").booleanValue());
        ObjectNode whole = MAPPER.createObjectNode();
        whole.putArray("added_tokens");
        whole.set("pre_tokenizer", one.get("pre_tokenizer"));
        whole.putObject("decoder").put("type", "ByteLevel");
        whole.set("model", model);
        Files.write(directory.resolve("tokenizer.json"), MAPPER.writeValueAsBytes(whole));
    }

    private static void assertRecorded(JsonNode recorded, List<int[]> ids) throws Exception {
        TokenComparison.assertRecorded(recorded.get("every_250th"), 250, recorded.get("sha256"), 50, ids);
    }
}
