package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.quern.checkpoint.Hostile;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** tokenizer.json, vocab.json with merges.txt, vocab.txt, tekken.json and tiktoken files: what is read, and what is not. */
class TokenizerFilesTest {
    private static final String WORDS = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": true}";

    @TempDir
    private Path directory;

    private final List<String> notices = new ArrayList<>();

    // ---- tokenizer.json ----

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "[\"a b c\"] # model.merges[0]: expected two texts with a space between them, found \"a b c\"",
                "[\"ab\"] # model.merges[0]: expected two texts with a space between them, found \"ab\"",
                "[\"a x\"] # model.merges[0]: expected texts that are tokens, and make one, found \"x\", which is none",
                "[[\"b\", \"b\"]] # model.merges[0]: expected texts that are tokens, and make one, found \"bb\", which"
                        + " is none",
                "[[\"a\", \"b\", \"c\"]] # model.merges[0]: expected two texts, found ARRAY [\"a\",\"b\",\"c\"]",
                "[7] # model.merges[0]: expected two texts, found NUMBER 7",
                "{} # model.merges: expected a list, found OBJECT {}"
            })
    void merges(String merges, String message) throws Exception {
        json("{\"a\": 0, \"b\": 1, \"ab\": 2}", merges, "[]", WORDS);
        refused("tokenizer.json", message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "{\"a\": 0, \"b\": 0} # model.vocab: expected every id once, found 0 for \"a\" and \"b\"",
                "{\"a\": -1} # model.vocab: \"a\": expected an id from 0 to 2147483647, found NUMBER -1",
                "{\"a\": 1.5} # model.vocab: \"a\": expected an id from 0 to 2147483647, found NUMBER 1.5",
                "{\"a\": 4294967296} # model.vocab: \"a\": expected an id from 0 to 2147483647, found NUMBER"
                        + " 4294967296",
                "[\"a\"] # model.vocab: expected an object of tokens and ids, found ARRAY [\"a\"]",
                "{\"a\": 2147483647} # expected ids below 3, the rows of the embedding, found 2147483647"
            })
    void vocabulary(String vocabulary, String message) throws Exception {
        json(vocabulary, "[]", "[]", WORDS);
        refused("tokenizer.json", message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "[{\"id\": 0, \"content\": \"x\"}] # added_tokens[0]: expected token 0 to be \"a\", as it is already,"
                        + " found \"x\"",
                "[{\"id\": \"0\", \"content\": \"a\"}] # added_tokens[0].id: expected an id from 0 to 2147483647,"
                        + " found \"0\"",
                "[{\"id\": 0}] # added_tokens[0].content: expected a text, found MISSING "
            })
    void addedTokens(String added, String message) throws Exception {
        json("{\"a\": 0}", "[]", added, WORDS);
        refused("tokenizer.json", message.strip().endsWith("MISSING") ? message.strip() + " " : message);
    }

    @Test
    void withoutAModel() throws Exception {
        write("tokenizer.json", "{\"model\": null}");
        refused("tokenizer.json", "model: expected an object, found NULL null");
    }

    /** A pattern that takes forever on a few dozen characters costs nothing, as it is never run. */
    @Test
    void patternsFromStrangersAreNotRun() throws Exception {
        json(
                "{\"a\": 0}",
                "[]",
                "[]",
                "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\\\\s|.)+(\\\\s|.)+(\\\\s|.)+#\"}, \"behavior\":"
                        + " \"Isolated\"}");
        long begun = System.nanoTime();
        InputException refused = catchThrowableOfType(InputException.class, this::read);
        assertThat(System.nanoTime() - begun).isLessThan(5_000_000_000L);
        assertThat(refused)
                .hasMessageContaining("the pre-tokenizer is not recognised")
                .hasMessageContaining("is not one that Quern knows, and it runs no other");
        assertThat(refused.hint()).contains("--pre-tokenizer NAME");
    }

    @Test
    void whatIsNotRecognisedNamesThoseThatAreAlike() throws Exception {
        bytes("{\"type\": \"Sequence\", \"pretokenizers\": [" + WORDS + ", {\"type\": \"Whitespace\"}]}");
        InputException refused = catchThrowableOfType(InputException.class, this::read);
        assertThat(refused)
                .hasMessageContaining("not recognised: found ByteLevel words, Whitespace")
                .hasMessageContaining("these give the same tokens on a test text:")
                .hasMessageContaining("gpt-2");
    }

    @Test
    void theUsersNameCounts() throws Exception {
        bytes("{\"type\": \"Whitespace\"}");
        assertThat(read(Optional.of("qwen2")).pre()).contains("qwen2");
        InputException refused = catchThrowableOfType(InputException.class, () -> read(Optional.of("no-such-name")));
        assertThat(refused).hasMessage("--pre-tokenizer: expected a known name, found \"no-such-name\"");
        assertThat(refused.hint()).contains("llama-bpe");
    }

    @Test
    void whatTheFileSaysIsRecognisedAndSaid() throws Exception {
        bytes(WORDS);
        assertThat(read().pre()).contains("gpt-2");
        assertThat(notices).singleElement().asString().contains("is gpt-2 by what the file says (ByteLevel words)");
    }

    // ---- vocab.json and merges.txt ----

    @Test
    void vocabularyAndMerges() throws Exception {
        write("vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2, \"<|endoftext|>\": 3}");
        write("merges.txt", "#version: 0.2\na b\n");
        write("tokenizer_config.json", "{\"tokenizer_class\": \"GPT2Tokenizer\", \"eos_token\": \"<|endoftext|>\"}");
        Vocabulary vocabulary = read(Optional.of("gpt-2"));
        assertThat(texts(vocabulary)).containsExactly("a", "b", "ab", "<|endoftext|>");
        assertThat(vocabulary.types()[3]).isEqualTo(TokenType.CONTROL);
        assertThat(Tokenizer.of(vocabulary).encode("abba", false)).containsExactly(2, 1, 0);
    }

    @Test
    void mergesThatAreWrong() throws Exception {
        write("vocab.json", "{\"a\": 0, \"b\": 1}");
        write("merges.txt", "#version: 0.2\na b\n");
        refused("merges.txt", "line 2: expected texts that are tokens, and make one, found \"ab\", which is none");
        write("merges.txt", "a b c\n");
        refused("merges.txt", "line 1: expected two texts with a space between them, found \"a b c\"");
    }

    @Test
    void classThatCutsInItsOwnWay() throws Exception {
        write("vocab.json", "{\"a\": 0}");
        write("merges.txt", "");
        write("tokenizer_config.json", "{\"tokenizer_class\": \"OwnTokenizer\"}");
        refused(
                "tokenizer_config.json",
                "tokenizer_class: how \"OwnTokenizer\" cuts text is not known, and there is no tokenizer.json");
    }

    // ---- vocab.txt ----

    @Test
    void wordsOfBert() throws Exception {
        write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhel\n##lo\n");
        write("config.json", "{\"type_vocab_size\": 2}");
        Vocabulary vocabulary = read(VocabularyKind.WORDPIECE, OptionalLong.empty(), Optional.empty());
        assertThat(texts(vocabulary)).containsExactly("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581hel", "lo");
        assertThat(vocabulary.settings().get("tokenizer.ggml.token_type_count")).contains(GgufValue.u32(2));
        assertThat(vocabulary.settings().asMap().firstEntry().getKey()).isEqualTo("tokenizer.ggml.token_type_count");
        assertThat(Tokenizer.of(vocabulary).encode("H\u00e9LLO", false)).containsExactly(5, 6);
    }

    @Test
    void wordTwice() throws Exception {
        write("vocab.txt", "a\nb\na\n");
        InputException refused = catchThrowableOfType(
                InputException.class, () -> read(VocabularyKind.WORDPIECE, OptionalLong.empty(), Optional.empty()));
        assertThat(refused)
                .hasMessage(directory.resolve("vocab.txt")
                        + ": line 3: expected a token that is not there yet, found \"a\", as in line 1");
    }

    // ---- tiktoken's ----

    @Test
    void qwen() throws Exception {
        write("qwen.tiktoken", ranks("a", "b", "ab", "abb"));
        Vocabulary vocabulary = read(VocabularyKind.QWEN, OptionalLong.of(220), Optional.empty());
        assertThat(vocabulary.pre()).contains("qwen2");
        assertThat(texts(vocabulary)).startsWith("a", "b", "ab", "abb", "<|endoftext|>", "<|im_start|>", "<|im_end|>");
        assertThat(texts(vocabulary))
                .endsWith(
                        "<|extra_204|>",
                        "[PAD212]",
                        "[PAD213]",
                        "[PAD214]",
                        "[PAD215]",
                        "[PAD216]",
                        "[PAD217]",
                        "[PAD218]",
                        "[PAD219]");
        assertThat(vocabulary.special(SpecialToken.EOS)).hasValue(4);
        assertThat(Tokenizer.of(vocabulary).encode("abba", false)).containsExactly(3, 0);
    }

    @Test
    void llama3AsMetaHandsItOut() throws Exception {
        Path file = write("tokenizer.model", ranks("a", "b", "ab"));
        assertThat(MetaVocabulary.isRanks(file)).isTrue();
        Vocabulary vocabulary = MetaVocabulary.read(file, 259);
        assertThat(vocabulary.pre()).contains("llama-bpe");
        assertThat(vocabulary.size()).isEqualTo(259);
        assertThat(vocabulary.special(SpecialToken.BOS)).hasValue(3);
        assertThat(texts(vocabulary)).endsWith("<|reserved_special_token_250|>");
        assertThat(Tokenizer.of(vocabulary).encode("ab", true)).containsExactly(3, 2);
        assertThat(MetaVocabulary.isRanks(Path.of("test-data/models/tolstoy-4m/tokenizer.model")))
                .isFalse();
    }

    @Test
    void ranksThatAreWrong() throws Exception {
        refusedRanks("YQ== 0\nYg== 2\n", "line 2: expected a token in base64 and its rank, 1, found \"Yg== 2\"");
        refusedRanks("YQ==\n", "line 1: expected a token in base64 and its rank, 0, found \"YQ==\"");
        refusedRanks("Y?== 0\n", "line 1: expected base64, found \"Y?==\"");
        refusedRanks("YQ== 0\nYQ== 1\n", "tokens 0 and 1: expected different bytes");
        refusedRanks("", "expected 1 to 4194304 tokens, found 0");
        refusedRanks("YQ== 0\nYmNk 1\n", "expected every token to be made of two others, found one that is not");
    }

    private void refusedRanks(String text, String message) throws IOException {
        write("qwen.tiktoken", text);
        Hostile.thrownBy(() -> read(VocabularyKind.QWEN, OptionalLong.empty(), Optional.empty()))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve("qwen.tiktoken") + ": " + message);
    }

    @Test
    void chatGlm3NeedsRoomForItsSpecialTokens() throws Exception {
        Files.copy(
                Path.of("test-data/families/tokenizers/sentencepiece/tokenizer.model"),
                directory.resolve("tokenizer.model"));
        InputException refused = catchThrowableOfType(
                InputException.class,
                () -> HuggingFaceVocabulary.read(
                        directory,
                        new HuggingFaceVocabulary.Request(
                                List.of(VocabularyKind.CHATGLM3), OptionalLong.of(328), Optional.empty()),
                        notices::add));
        assertThat(refused)
                .hasMessage(directory.resolve("tokenizer.model") + ": expected at most 319 pieces, the rows of the"
                        + " embedding without the special tokens, found 320");
    }

    // ---- tekken.json ----

    @Test
    void tekken() throws Exception {
        write("tekken.json", tekken(6, 3, "a", "b", "ab"));
        Vocabulary vocabulary = read(VocabularyKind.TEKKEN, OptionalLong.empty(), Optional.empty());
        assertThat(texts(vocabulary)).containsExactly("<unk>", "<s>", "</s>", "a", "b", "ab");
        assertThat(vocabulary.settings().asMap().keySet())
                .containsExactly(
                        "tokenizer.ggml.model",
                        "tokenizer.ggml.pre",
                        "tokenizer.ggml.merges",
                        "tokenizer.ggml.bos_token_id",
                        "tokenizer.ggml.eos_token_id",
                        "tokenizer.ggml.unknown_token_id",
                        "tokenizer.ggml.padding_token_id",
                        "tokenizer.ggml.tokens",
                        "tokenizer.ggml.scores",
                        "tokenizer.ggml.token_type",
                        "tokenizer.ggml.add_bos_token",
                        "tokenizer.ggml.add_eos_token",
                        "tokenizer.chat_template");
        assertThat(Tokenizer.of(vocabulary).encode("ab", true)).containsExactly(1, 5);
    }

    @Test
    void tekkenThatIsWrong() throws Exception {
        refusedTekken(tekken(3, 3, "a"), "config.default_num_special_tokens: expected fewer than 3 tokens, found 3");
        refusedTekken(tekken(9, 3, "a"), "vocab: expected 6 tokens, found 1");
        refusedTekken(tekken(3, 2, "a"), "special_tokens: expected at most 2, found 3");
        refusedTekken(
                tekken(4, 3, "a").replace("\"rank\": 0, \"token_bytes\"", "\"rank\": 7, \"token_bytes\""),
                "vocab[0].rank: expected 0, found NUMBER 7");
        refusedTekken("{}", "config.default_vocab_size: expected a number from 1 to 4194304, found MISSING ");
    }

    private void refusedTekken(String text, String message) throws IOException {
        write("tekken.json", text);
        Hostile.thrownBy(() -> read(VocabularyKind.TEKKEN, OptionalLong.empty(), Optional.empty()))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve("tekken.json") + ": " + message);
    }

    private static String tekken(int size, int special, String... tokens) {
        StringBuilder vocabulary = new StringBuilder();
        for (int rank = 0; rank < tokens.length; rank++) {
            vocabulary
                    .append(rank == 0 ? "" : ", ")
                    .append("{\"rank\": " + rank + ", \"token_bytes\": \"" + base64(tokens[rank]) + "\"}");
        }
        return "{\"config\": {\"default_vocab_size\": " + size + ", \"default_num_special_tokens\": " + special
                + ", \"version\": \"v3\"}, \"special_tokens\": [{\"rank\": 0, \"token_str\": \"<unk>\"}, {\"rank\": 1,"
                + " \"token_str\": \"<s>\"}, {\"rank\": 2, \"token_str\": \"</s>\"}], \"vocab\": [" + vocabulary + "]}";
    }

    private static String ranks(String... tokens) {
        StringBuilder out = new StringBuilder();
        for (int rank = 0; rank < tokens.length; rank++) {
            out.append(base64(tokens[rank])).append(' ').append(rank).append('\n');
        }
        return out.toString();
    }

    private static String base64(String token) {
        return Base64.getEncoder().encodeToString(token.getBytes(StandardCharsets.UTF_8));
    }

    // ---- the rest ----

    /** All single bytes, so that any text has tokens. */
    private void bytes(String steps) throws IOException {
        Map<String, Integer> vocabulary = new LinkedHashMap<>();
        for (int b = 0; b < 256; b++) {
            vocabulary.put(Character.toString(ByteAlphabet.codePoint(b)), b);
        }
        json(tools.jackson.databind.json.JsonMapper.shared().writeValueAsString(vocabulary), "[]", "[]", steps);
    }

    private void json(String vocabulary, String merges, String added, String steps) throws IOException {
        write(
                "tokenizer.json",
                "{\"added_tokens\": " + added + ", \"pre_tokenizer\": " + steps + ", \"model\": {\"type\": \"BPE\","
                        + " \"vocab\": " + vocabulary + ", \"merges\": " + merges + "}}");
    }

    private Path write(String file, String text) throws IOException {
        return Files.writeString(directory.resolve(file), text);
    }

    private Vocabulary read() {
        return read(Optional.empty());
    }

    private Vocabulary read(Optional<String> preTokenizer) {
        return read(VocabularyKind.GPT2, OptionalLong.empty(), preTokenizer);
    }

    private Vocabulary read(VocabularyKind kind, OptionalLong rows, Optional<String> preTokenizer) {
        return HuggingFaceVocabulary.read(
                directory, new HuggingFaceVocabulary.Request(List.of(kind), rows, preTokenizer), notices::add);
    }

    private void refused(String file, String message) {
        Hostile.thrownBy(() -> read(VocabularyKind.GPT2, OptionalLong.of(3), Optional.empty()))
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve(file) + ": " + message);
    }

    private static List<String> texts(Vocabulary vocabulary) {
        List<String> texts = new ArrayList<>();
        for (byte[] token : vocabulary.tokens()) {
            texts.add(new String(token, StandardCharsets.UTF_8));
        }
        return texts;
    }
}
