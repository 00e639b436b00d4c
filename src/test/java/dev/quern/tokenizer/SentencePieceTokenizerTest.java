package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class SentencePieceTokenizerTest {
    private static final Tokenizer BUNDLED = Tokenizer.of(
            HuggingFaceVocabulary.read(Path.of("test-data/models/tolstoy-4m"), OptionalLong.of(2048), notice -> {}));

    @Test
    void awkwardStringsGiveTheIdsOfLlamaCpp() {
        JsonNode cases = JsonMapper.shared()
                .readTree(Path.of("test-data/golden/tokens.json"))
                .get("cases");
        assertThat(cases.size()).isEqualTo(40);
        for (JsonNode one : cases) {
            String text = one.get("text").stringValue();
            JsonNode ids = one.has("llama_cpp") ? one.get("llama_cpp") : one.get("sentencepiece");
            List<Integer> expected = new ArrayList<>();
            ids.forEach(id -> expected.add(id.intValue()));
            assertThat(BUNDLED.encode(text, false)).as(text).containsExactly(expected.toArray(Integer[]::new));
            assertThat(new String(BUNDLED.decode(BUNDLED.encode(text, true)), StandardCharsets.UTF_8))
                    // The format has one sign for both.
                    .isEqualTo(text.replace('\u2581', ' '));
        }
    }

    @Test
    void randomTextsGiveTheIdsOfSentencePiece() {
        JsonNode recorded = JsonMapper.shared().readTree(Path.of("test-data/tokenizer/sentencepiece.json"));
        assertIds(BUNDLED, recorded.get("bundled"));
        Path file = Path.of("test-data/tokenizer/no-bytes.model");
        SentencePieceModel model = SentencePieceModel.read(file);
        assertIds(Tokenizer.of(model.vocabulary(file, model.size())), recorded.get("no-bytes"));
    }

    @Test
    void decodingGivesTheTextBack() {
        SentencePieceModel model = SentencePieceModel.read(Path.of("test-data/models/tolstoy-4m/tokenizer.model"));
        RandomText texts = new RandomText(31, model.pieces());
        for (int i = 0; i < 3000; i++) {
            String text = new String(texts.valid(), StandardCharsets.UTF_8);
            byte[] decoded = BUNDLED.decode(BUNDLED.encode(text, i % 2 == 0));
            assertThat(new String(decoded, StandardCharsets.UTF_8)).isEqualTo(text.replace('\u2581', ' '));
        }
    }

    @Test
    void decodingDropsTheSpaceThatEncodingPutAfterAddedTokens() {
        Tokenizer tokenizer = tokenizer(new GgufMetadata(), TokenType.USER_DEFINED, "<tool>", "  ");
        for (String text : List.of("a<tool> b  c", "<tool>", " <tool><tool>  ", "", "  a", " ")) {
            assertThat(new String(tokenizer.decode(tokenizer.encode(text, true)), StandardCharsets.UTF_8))
                    .isEqualTo(text);
        }
        assertThat(tokenizer.encode("<tool>", false)).containsExactly(2048);
    }

    @Test
    void withoutSpacePrefixNoSpaceIsDropped() {
        GgufMetadata settings = new GgufMetadata().put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(false));
        Tokenizer tokenizer = tokenizer(settings, TokenType.NORMAL, "unused");
        assertThat(tokenizer.encode("a", false)).containsExactly(1963);
        assertThat(new String(tokenizer.decode(tokenizer.encode(" a", false)), StandardCharsets.UTF_8))
                .isEqualTo(" a");
    }

    @Test
    void specialTokensDecodeToNothing() {
        assertThat(BUNDLED.decode(new int[] {1, 0, 2})).isEmpty();
        assertThat(BUNDLED.decode(new int[] {3, 258})).containsExactly(0, 255);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BUNDLED.decode(new int[] {2048}))
                .withMessage("token id 2048 of a vocabulary of 2048");
        assertThatIllegalArgumentException().isThrownBy(() -> BUNDLED.decode(new int[] {-1}));
    }

    @Test
    void specialTokensAroundAText() {
        GgufMetadata settings = new GgufMetadata().put(Vocabulary.ADD_EOS, GgufValue.bool(true));
        Tokenizer tokenizer = tokenizer(settings, TokenType.NORMAL, "unused");
        assertThat(tokenizer.encode("", true)).containsExactly(1, 2);
        assertThat(tokenizer.encode("", false)).isEmpty();
        assertThat(tokenizer.bos()).isEqualTo(1);
        assertThat(tokenizer.eos()).isEqualTo(2);
        assertThat(tokenizer.addsBos()).isTrue();
        assertThat(tokenizer.addsEos()).isTrue();
        assertThat(BUNDLED.addsEos()).isFalse();
        assertThat(BUNDLED.size()).isEqualTo(2048);
    }

    @Test
    void oneTokenizerServesManyThreads() {
        List<String> texts = IntStream.range(0, 200)
                .mapToObj(i -> "Prince " + "Andrew ".repeat(i % 7) + i)
                .toList();
        List<int[]> alone =
                texts.stream().map(text -> BUNDLED.encode(text, true)).toList();
        List<int[]> together =
                texts.parallelStream().map(text -> BUNDLED.encode(text, true)).toList();
        assertThat(together).usingRecursiveComparison().isEqualTo(alone);
    }

    @Test
    void tokensOfOneText() {
        Vocabulary vocabulary = vocabulary(new GgufMetadata(), TokenType.NORMAL, "<s>");
        assertThatThrownBy(() -> Tokenizer.of(vocabulary))
                .isInstanceOf(InputException.class)
                .hasMessage("vocabulary: tokens 1 and 2048: expected different texts, found the same");
    }

    @Test
    void textTooLongForAnArray() {
        assertThat(SentencePieceTokenizer.escapedLength(3, 1, true)).isEqualTo(8);
        assertThatThrownBy(() -> SentencePieceTokenizer.escapedLength(1 << 30, 1 << 30, true))
                .isInstanceOf(InputException.class)
                .hasMessage("text: expected less than 2 GiB with spaces as U+2581, found 3221225475 bytes");
    }

    private static Tokenizer tokenizer(GgufMetadata settings, TokenType type, String... added) {
        return Tokenizer.of(vocabulary(settings, type, added));
    }

    private static Vocabulary vocabulary(GgufMetadata settings, TokenType type, String... added) {
        SentencePieceModel model = SentencePieceModel.read(Path.of("test-data/models/tolstoy-4m/tokenizer.model"));
        int size = model.size() + added.length;
        byte[][] tokens = Arrays.copyOf(model.pieces(), size);
        TokenType[] types = Arrays.copyOf(model.types(), size);
        for (int i = 0; i < added.length; i++) {
            tokens[model.size() + i] = added[i].getBytes(StandardCharsets.UTF_8);
            types[model.size() + i] = type;
        }
        return new Vocabulary(
                TokenizerModel.SENTENCE_PIECE,
                Optional.of("default"),
                tokens,
                Arrays.copyOf(model.scores(), size),
                types,
                settings);
    }

    private static void assertIds(Tokenizer tokenizer, JsonNode cases) {
        for (JsonNode one : cases) {
            int[] expected =
                    one.get(1).valueStream().mapToInt(JsonNode::intValue).toArray();
            String text = one.get(0).stringValue();
            assertThat(tokenizer.encode(text, false)).as(text).containsExactly(expected);
        }
    }
}
