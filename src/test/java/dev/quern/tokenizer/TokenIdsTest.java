package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.GgufWriter;
import dev.quern.io.OutputFile;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
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
    private static final List<String> LINES = MAPPER.readTree(FOLDER.resolve("lines.json"))
            .valueStream()
            .map(JsonNode::stringValue)
            .toList();

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
        List<int[]> ids = encode(ours);
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
        assertSameAsLlamaCpp(vocabulary, true);
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
        assertSameAsLlamaCpp(vocabulary, true);
        List<int[]> ids = encode(Tokenizer.of(vocabulary));
        String recorded = RECORDED.get("word_piece").get("lines").stringValue();
        for (int i = 0; i < LINES.size(); i++) {
            if (LINES.get(i).codePoints().noneMatch(TokenIdsTest::isOtherwiseInLlamaCpp)
                    && !LINES.get(i).contains("[MASK]")
                    && !hasLongWord(LINES.get(i))) {
                assertThat(digest(ids.get(i))).as(LINES.get(i)).startsWith(recorded.substring(4 * i, 4 * i + 4));
            }
        }
    }

    /** Hugging Face gives up on words of more than 100 characters (max_input_chars_per_word), llama.cpp does not. */
    private static boolean hasLongWord(String line) {
        return Stream.of(line.split("\\s+")).anyMatch(word -> word.codePointCount(0, word.length()) > 100);
    }

    /**
     * llama.cpp takes all marks for accents, not only those without a width; leaves the first part of a Hangul; and cuts
     * at control characters that are white space, which Hugging Face drops, and at punctuation that is younger than
     * Hugging Face's tables.
     */
    private static boolean isOtherwiseInLlamaCpp(int c) {
        int type = Character.getType(c);
        return c == 0x0B
                || c == 0x0C
                || c == 0x85
                || PreTokenizerSteps.isLaterPunctuation(c)
                || type == Character.COMBINING_SPACING_MARK
                || type == Character.ENCLOSING_MARK
                || c >= 0xAC00 && c <= 0xD7A3;
    }

    /** Where two ways to cut a line have the same score, SentencePiece and Hugging Face take different ones. */
    @Test
    void unigram() throws Exception {
        Files.copy(FOLDER.resolve("unigram.model"), directory.resolve("spiece.model"));
        Vocabulary vocabulary = read(VocabularyKind.UNIGRAM);
        assertThat(vocabulary.model()).isEqualTo(TokenizerModel.UNIGRAM);
        assertSameAsLlamaCpp(vocabulary, true);
        List<int[]> ids = encode(Tokenizer.of(vocabulary));
        int same = 0;
        for (int i = 0; i < LINES.size(); i++) {
            String ours = digest(ids.get(i)).substring(0, 4);
            String sentencePiece = RECORDED.get("unigram").get("sentencepiece").stringValue();
            String huggingFace = RECORDED.get("unigram").get("tokenizers").stringValue();
            assertThat(ours)
                    .as(LINES.get(i))
                    .isIn(sentencePiece.substring(4 * i, 4 * i + 4), huggingFace.substring(4 * i, 4 * i + 4));
            same += ours.equals(sentencePiece.substring(4 * i, 4 * i + 4)) ? 1 : 0;
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

    private static List<int[]> encode(Tokenizer tokenizer) {
        return LINES.stream().map(line -> tokenizer.encode(line, false)).toList();
    }

    private static String digest(int[] ids) throws Exception {
        return digest(Arrays.toString(ids));
    }

    private static String digest(String list) throws Exception {
        byte[] text = list.replace(" ", "").getBytes(StandardCharsets.US_ASCII);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text));
    }

    private static void assertRecorded(JsonNode recorded, List<int[]> ids) throws Exception {
        for (int i = 0; i < ids.size(); i += 250) {
            assertThat(ids.get(i))
                    .as("line " + i)
                    .isEqualTo(recorded.get("every_250th")
                            .get(i / 250)
                            .valueStream()
                            .mapToInt(JsonNode::intValue)
                            .toArray());
        }
        List<String> wrong = new ArrayList<>();
        for (int from = 0; from < ids.size(); from += 50) {
            String text = ids.subList(from, from + 50).stream()
                    .map(Arrays::toString)
                    .toList()
                    .toString();
            if (!digest(text).startsWith(recorded.get("sha256").get(from / 50).stringValue())) {
                wrong.add("lines " + from + " to " + (from + 49));
            }
        }
        assertThat(wrong).isEmpty();
    }

    /** llama.cpp throws, out of a function of C's, where bytes spell what is beyond U+10FFFF. */
    private static byte[] withinUnicode(byte[] text) {
        byte[] out = text.clone();
        for (int i = 0; i < out.length; i++) {
            if ((out[i] & 0xff) >= 0xF4) {
                out[i] = (byte) 0xFF;
            }
        }
        return out;
    }

    /** @param anyBytes whether text that is no UTF-8 is compared too */
    private void assertSameAsLlamaCpp(Vocabulary vocabulary, boolean anyBytes) {
        LlamaCpp.require();
        Path file = directory.resolve("vocabulary.gguf");
        GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("llama"));
        vocabulary.writeTo(metadata);
        GgufLayout layout = GgufLayout.plan(metadata, List.of());
        try (GgufWriter writer = new GgufWriter(layout, OutputFile.create(file, layout.fileSize(), List.of(), true))) {
            writer.commit();
        }
        Tokenizer ours = Tokenizer.of(metadata);
        List<byte[]> texts = new ArrayList<>();
        LINES.forEach(line -> texts.add(line.getBytes(StandardCharsets.UTF_8)));
        RandomText random = new RandomText(6, vocabulary.tokens());
        for (int i = 0; i < 500; i++) {
            texts.add(anyBytes ? withinUnicode(random.any()) : random.valid());
        }
        int wrong = 0;
        String first = "";
        try (LlamaModel theirs = LlamaCpp.loadVocabulary(file)) {
            for (int i = 0; i < texts.size(); i++) {
                byte[] text = texts.get(i);
                int[] expected = theirs.tokenize(text, i % 50 == 0, false);
                int[] found = ours.encode(text, i % 50 == 0);
                if (!Arrays.equals(found, expected) && wrong++ == 0) {
                    first = i + ": " + new String(text, StandardCharsets.UTF_8) + "\nexpected "
                            + Arrays.toString(expected) + "\nfound    " + Arrays.toString(found);
                }
            }
        }
        assertThat(wrong).as(first).isZero();
    }
}
