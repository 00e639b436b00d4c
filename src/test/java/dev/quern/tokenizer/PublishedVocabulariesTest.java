package dev.quern.tokenizer;

import static dev.quern.tokenizer.TokenComparison.LINES;
import static dev.quern.tokenizer.TokenComparison.assertSameAsLlamaCpp;
import static dev.quern.tokenizer.TokenComparison.encode;
import static dev.quern.tokenizer.TokenComparison.isRecorded;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufValue;
import dev.quern.tokenizer.proto.ModelProto;
import dev.quern.tokenizer.proto.ModelProto.SentencePiece;
import dev.quern.tokenizer.proto.NormalizerSpec;
import dev.quern.tokenizer.proto.TrainerSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.text.Normalizer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Vocabularies of models that people use, as packages of npm have them (scripts/fetch-vocabularies): the ids of five
 * thousand lines are those of Hugging Face's tokenizers (recorded by scripts/record-published-ids), those of
 * llama.cpp for the GGUF that Quern writes, and decode to the lines.
 */
class PublishedVocabulariesTest {
    private static final Path FOLDER = Path.of("build-cache/vocabularies");
    private static final JsonNode RECORDED =
            JsonMapper.shared().readTree(Path.of("test-data/tokenizer/published.json"));

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({"gpt-2, gpt-2, 50257, 50256", "llama-3.1, llama-bpe, 128256, 128000", "qwen-2.5, qwen2, 151665, 151643"
    })
    void byteLevel(String name, String pre, int size, int control) throws Exception {
        JsonNode recorded = recorded(name);
        Vocabulary vocabulary = read(FOLDER.resolve(name), VocabularyKind.GPT2);
        assertThat(vocabulary.pre()).contains(pre);
        assertThat(vocabulary.size()).isEqualTo(size);
        // In GPT-2's files nothing says so.
        assertThat(vocabulary.types()[control]).isEqualTo(TokenType.CONTROL);
        // Qwen's normalizer, which neither GGUF nor llama.cpp has.
        List<String> lines = name.startsWith("qwen")
                ? LINES.stream()
                        .map(line -> Normalizer.normalize(line, Normalizer.Form.NFC))
                        .toList()
                : LINES;
        assertIds(recorded, lines, Tokenizer.of(vocabulary));
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    @ParameterizedTest
    @CsvSource({"llama, 32000", "mistral, 32000", "gemma-2, 256000"})
    void sentencePiece(String name, int size) throws Exception {
        JsonNode recorded = recorded(name);
        Path folder = FOLDER.resolve(name);
        if (!name.equals("llama")) {
            Files.copy(folder.resolve("tokenizer_config.json"), directory.resolve("tokenizer_config.json"));
            Files.write(directory.resolve("tokenizer.model"), model(folder.resolve("tokenizer.json"), name));
            folder = directory;
        }
        Vocabulary vocabulary = read(folder, VocabularyKind.SENTENCEPIECE);
        assertThat(vocabulary.model()).isEqualTo(TokenizerModel.SENTENCE_PIECE);
        assertThat(vocabulary.size()).isEqualTo(size);
        if (name.equals("gemma-2")) {
            // As the page of the family says.
            vocabulary.settings().put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(false));
            Tokenizer ours = Tokenizer.of(vocabulary);
            List<int[]> ids = encode(ours, LINES);
            // HTML's end of text that is struck out, which llama.cpp takes for the end of all text.
            assertLines(recorded, ids, 4900, line -> line.contains("</s>"));
            assertDecoded(LINES, ours, ids);
        } else {
            assertIds(recorded, LINES, Tokenizer.of(vocabulary));
        }
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    /** tokenizer.json alone has no scores, and the peer gives all tokens the same: the ids are llama.cpp's only. */
    @Test
    void sentencePieceWithoutScores() throws Exception {
        recorded("mistral");
        Vocabulary vocabulary = read(FOLDER.resolve("mistral"), VocabularyKind.LLAMA_HF);
        assertThat(vocabulary.scores()).containsOnly(-1000f);
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    @Test
    void wordPiece() throws Exception {
        JsonNode recorded = recorded("bert");
        Vocabulary vocabulary = read(FOLDER.resolve("bert"), VocabularyKind.WORDPIECE);
        assertThat(vocabulary.pre()).contains("jina-v2-en");
        assertThat(vocabulary.size()).isEqualTo(30522);
        HuggingFaceTokenizer theirs =
                new HuggingFaceTokenizer(OlderFiles.read(HuggingFaceFiles.in(FOLDER.resolve("bert"))));
        assertLines(
                recorded,
                LINES.stream().map(line -> theirs.encode(line, false)).toList(),
                4800,
                line -> line.contains("[MASK]") || line.indexOf(0x0D3B) >= 0);
        assertLines(recorded, encode(Tokenizer.of(vocabulary), LINES), 4300, TokenComparison::isOtherwiseAsWordPieces);
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    /** ALBERT's pieces; where two ways to cut a line have the same score, SentencePiece and Hugging Face differ. */
    @Test
    void unigram() throws Exception {
        JsonNode recorded = recorded("albert");
        Files.copy(FOLDER.resolve("albert/spiece.model"), directory.resolve("spiece.model"));
        // Without this llama.cpp takes T5's.
        Files.writeString(directory.resolve("config.json"), "{\"unk_token_id\": 1}");
        Vocabulary vocabulary = read(directory, VocabularyKind.UNIGRAM);
        assertThat(vocabulary.model()).isEqualTo(TokenizerModel.UNIGRAM);
        assertThat(vocabulary.size()).isEqualTo(30000);
        List<String> lines =
                LINES.stream().map(PublishedVocabulariesTest::small).toList();
        List<int[]> ids = encode(Tokenizer.of(vocabulary), lines);
        int sentencePiece = 0;
        for (int i = 0; i < ids.size(); i++) {
            boolean same = isRecorded(recorded.get("sentencepiece").stringValue(), i, ids.get(i));
            assertThat(same || isRecorded(recorded.get("lines").stringValue(), i, ids.get(i)))
                    .as(lines.get(i))
                    .isTrue();
            sentencePiece += same ? 1 : 0;
        }
        assertThat(sentencePiece).isGreaterThan(4900);
        assertSameAsLlamaCpp(vocabulary, directory);
    }

    private static String small(String line) {
        StringBuilder out = new StringBuilder();
        line.chars().forEach(c -> out.append((char) (c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c)));
        return out.toString();
    }

    private static Vocabulary read(Path folder, VocabularyKind kind) {
        return HuggingFaceVocabulary.read(
                folder,
                new HuggingFaceVocabulary.Request(List.of(kind), OptionalLong.empty(), Optional.empty()),
                notice -> {});
    }

    /**
     * The ids of one vocabulary, whose files are there and are those that they were recorded for. Where nothing was
     * fetched the test is skipped, and fails if the environment says QUERN_REQUIRE_ORACLE=1.
     */
    private static JsonNode recorded(String name) throws Exception {
        if (!Files.isRegularFile(FOLDER.resolve("fetched.lock"))) {
            String message = "there are no vocabularies in " + FOLDER + ": run scripts/fetch-vocabularies";
            assertThat(System.getenv("QUERN_REQUIRE_ORACLE")).as(message).isNotEqualTo("1");
            Assumptions.abort(message);
        }
        JsonNode found = RECORDED.get("vocabularies")
                .valueStream()
                .filter(one -> one.get("name").stringValue().equals(name))
                .findFirst()
                .orElseThrow();
        Map<String, String> expected = new TreeMap<>();
        Map<String, String> there = new TreeMap<>();
        for (Map.Entry<String, JsonNode> file : found.get("files").properties()) {
            expected.put(file.getKey(), file.getValue().stringValue());
            byte[] bytes = Files.readAllBytes(FOLDER.resolve(name, file.getKey()));
            there.put(
                    file.getKey(),
                    HexFormat.of()
                            .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes)));
        }
        assertThat(there).isEqualTo(expected);
        return found;
    }

    private static void assertIds(JsonNode recorded, List<String> lines, Tokenizer ours) throws Exception {
        List<int[]> ids = encode(ours, lines);
        TokenComparison.assertRecorded(recorded.get("every_500th"), 500, recorded.get("sha256"), 100, ids);
        assertDecoded(lines, ours, ids);
    }

    /**
     * @param least how many lines there are, and more, but for those that are cut otherwise than by Hugging Face
     */
    private static void assertLines(JsonNode recorded, List<int[]> ids, int least, Predicate<String> otherwise)
            throws Exception {
        int compared = 0;
        for (int i = 0; i < LINES.size(); i++) {
            if (!otherwise.test(LINES.get(i))) {
                compared++;
                assertThat(isRecorded(recorded.get("lines").stringValue(), i, ids.get(i)))
                        .as(LINES.get(i))
                        .isTrue();
            }
        }
        assertThat(compared).isGreaterThan(least);
    }

    private static void assertDecoded(List<String> lines, Tokenizer ours, List<int[]> ids) {
        for (int i = 0; i < ids.size(); i++) {
            assertThat(new String(ours.decode(ids.get(i)), StandardCharsets.UTF_8))
                    .isEqualTo(lines.get(i));
        }
    }

    /**
     * The tokenizer.model that a tokenizer.json was made from, in what ids depend on: the earlier pieces are merged, the
     * higher their scores.
     */
    private static byte[] model(Path tokenizer, String name) throws IOException {
        JsonNode json = JsonMapper.shared().readTree(tokenizer);
        Map<String, Integer> ranks = new HashMap<>();
        int merges = 0;
        for (JsonNode merge : json.get("model").get("merges")) {
            String text = merge.stringValue();
            int space = text.indexOf(' ');
            ranks.putIfAbsent(text.substring(0, space) + text.substring(space + 1), merges++);
        }
        Map<Integer, Boolean> added = new HashMap<>();
        json.get("added_tokens")
                .forEach(one ->
                        added.put(one.get("id").intValue(), one.get("special").booleanValue()));
        Map<Integer, SentencePiece> pieces = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : json.get("model").get("vocab").properties()) {
            // Gemma's tokenizer.json spells the byte of a tab otherwise than the file it was made from.
            String text = entry.getKey().equals("\t") ? "<0x09>" : entry.getKey();
            int id = entry.getValue().intValue();
            SentencePiece.Type type = text.equals("<unk>")
                    ? SentencePiece.Type.UNKNOWN
                    : added.containsKey(id)
                            ? added.get(id) ? SentencePiece.Type.CONTROL : SentencePiece.Type.USER_DEFINED
                            : text.matches("<0x[0-9A-F]{2}>") ? SentencePiece.Type.BYTE : SentencePiece.Type.NORMAL;
            pieces.put(
                    id,
                    SentencePiece.newBuilder()
                            .setPiece(text)
                            .setScore(-ranks.getOrDefault(text, merges))
                            .setType(type)
                            .build());
        }
        return ModelProto.newBuilder()
                .addAllPieces(pieces.values())
                .setTrainerSpec(TrainerSpec.newBuilder()
                        .setModelType(TrainerSpec.ModelType.BPE)
                        .setByteFallback(true))
                .setNormalizerSpec(NormalizerSpec.newBuilder()
                        .setName("identity")
                        .setAddDummyPrefix(!name.startsWith("gemma"))
                        .setRemoveExtraWhitespaces(false))
                .build()
                .toByteArray();
    }
}
