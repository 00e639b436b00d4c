package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.GgufWriter;
import dev.quern.io.OutputFile;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Token ids against llama.cpp's own, on vocabularies written by Quern and loaded by both. */
class LlamaCppTokensTest {
    @TempDir
    private Path directory;

    private static Vocabulary bundled() {
        return HuggingFaceVocabulary.read(Path.of("test-data/models/tolstoy-4m"), OptionalLong.of(2048), notice -> {});
    }

    @Test
    void bundledVocabulary() {
        Vocabulary vocabulary = bundled();
        RandomText texts = new RandomText(1, vocabulary.tokens());
        List<byte[]> all = new ArrayList<>();
        for (int i = 0; i < 2500; i++) {
            all.add(texts.valid());
            all.add(texts.any());
        }
        all.add(new byte[0]);
        assertSameIds(vocabulary, all);
    }

    /** XLM-RoBERTa's from both of its files, and ChatGLM3's, whose special tokens are behind its pieces. */
    @ParameterizedTest
    @CsvSource({"unigram, XLM_ROBERTA, 320", "unigram-model, XLM_ROBERTA, 320", "sentencepiece, CHATGLM3, 336"})
    void vocabulariesOfFamilies(String files, VocabularyKind kind, int rows) {
        Vocabulary vocabulary = HuggingFaceVocabulary.read(
                Path.of("test-data/families/tokenizers", files),
                new HuggingFaceVocabulary.Request(List.of(kind), OptionalLong.of(rows), Optional.empty()),
                notice -> {});
        assertThat(vocabulary.size()).isEqualTo(rows);
        RandomText texts = new RandomText(4, vocabulary.tokens());
        List<byte[]> all = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            all.add(texts.valid());
        }
        assertSameIds(vocabulary, all);
    }

    @Test
    void oneLongText() {
        Vocabulary vocabulary = bundled();
        RandomText texts = new RandomText(2, vocabulary.tokens());
        var text = new java.io.ByteArrayOutputStream();
        while (text.size() < 400_000) {
            text.writeBytes(texts.any());
        }
        text.writeBytes(" ".repeat(20_000).getBytes(StandardCharsets.UTF_8));
        text.writeBytes("the ".repeat(20_000).getBytes(StandardCharsets.UTF_8));
        assertSameIds(vocabulary, List.of(text.toByteArray()));
    }

    @Test
    void flags() {
        for (int flags = 0; flags < 8; flags++) {
            Vocabulary vocabulary = bundled();
            GgufMetadata settings = vocabulary.settings();
            settings.put(Vocabulary.ADD_BOS, GgufValue.bool((flags & 1) != 0));
            settings.put(Vocabulary.ADD_EOS, GgufValue.bool((flags & 2) != 0));
            settings.put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool((flags & 4) != 0));
            RandomText texts = new RandomText(3 + flags, vocabulary.tokens());
            assertSameIds(with(vocabulary, settings), texts(texts, 60));
        }
    }

    /** Added tokens that overlap; with those of the model not more than 16, which std::sort leaves in order. */
    @Test
    void addedTokensThatOverlap() {
        assertSameIdsWithAdded(
                List.of(
                        "bcq",
                        "aabc",
                        "zab",
                        "abcd",
                        "  ",
                        "   ",
                        " zz",
                        "zz ",
                        "\n\n",
                        "the ",
                        "<|im_end|>",
                        "abq",
                        "qq"),
                List.of());
    }

    /** Added tokens with names that llama.cpp knows, or that are no whole words; of one length none overlap. */
    @Test
    void addedTokensWithNames() {
        assertSameIdsWithAdded(
                List.of(
                        "<|im_end|>",
                        "<|channel|>",
                        "<PRE>",
                        "<REPO>",
                        "[EOT]",
                        "[PAD]",
                        "<eos>",
                        "\u2581x",
                        "\u2581\u2581",
                        "\u0416",
                        "\ud83d\ude00",
                        "Prince Andrew",
                        "  \n",
                        "<unk",
                        "0x41>",
                        "qq",
                        "</s",
                        "<|file_sep|>",
                        "<|end|>",
                        "<|return|>"),
                List.of("<|control|>", "<|message|>", "<|start|>", "<end_of_turn>", "unused7"));
    }

    /** Beside some names llama.cpp takes the end of a message, or a text, for no end: it looks for it, or does not. */
    @Test
    void endsThatAreNone() {
        assertSameIdsWithAdded(List.of("<|channel|>"), List.of("<|end|>", "<|return|>", "<|call|>"));
        assertSameIdsWithAdded(List.of(), List.of("<|end|>", "<|return|>", "<|calls|>", "<|x|>"));
        assertSameIdsWithAdded(List.of("<|end|>"), List.of("<|flush|>", "<|calls|>"));
        assertSameIdsWithAdded(List.of("<|end|>"), List.of("<|flush|>", "<|return|>"));
        assertSameIdsWithAdded(List.of("<|tool_response>"), List.of("<|x|>"));
    }

    private void assertSameIdsWithAdded(List<String> userDefined, List<String> control) {
        Map<String, TokenType> added = new LinkedHashMap<>();
        userDefined.forEach(token -> added.put(token, TokenType.USER_DEFINED));
        control.forEach(token -> added.put(token, TokenType.CONTROL));
        Vocabulary vocabulary = extended(bundled(), added);
        assertThat(vocabulary.size()).isEqualTo(2048 + added.size());
        byte[][] words = Arrays.copyOfRange(vocabulary.tokens(), 2048, vocabulary.size());
        RandomText texts = new RandomText(17, words);
        SplittableRandom random = new SplittableRandom(18);
        List<byte[]> all = texts(texts, 600);
        for (int i = 0; i < 600; i++) {
            var text = new java.io.ByteArrayOutputStream();
            for (int j = random.nextInt(1, 9); j > 0; j--) {
                text.writeBytes(words[random.nextInt(words.length)]);
                if (random.nextInt(3) == 0) {
                    text.writeBytes(texts.valid());
                }
            }
            all.add(text.toByteArray());
        }
        assertSameIds(vocabulary, all);
    }

    /** Vocabularies made at random over few letters: ties, tokens with ▁ inside, tokens that are no whole characters. */
    @Test
    void randomVocabularies() {
        SplittableRandom random = new SplittableRandom(19);
        String[] letters = {"a", "b", "c", "\u2581", "\u00e9", "\u4eba", "<", "\\", "\u2582"};
        for (int round = 0; round < 30; round++) {
            Map<String, TokenType> added = new LinkedHashMap<>();
            for (int i = 0; i < 300; i++) {
                StringBuilder token = new StringBuilder();
                for (int j = random.nextInt(1, 6); j > 0; j--) {
                    token.append(letters[random.nextInt(1 + random.nextInt(letters.length))]);
                }
                added.put(token.toString(), random.nextInt(20) == 0 ? TokenType.CONTROL : TokenType.NORMAL);
            }
            Vocabulary base = bytesOnly();
            Vocabulary vocabulary = extended(base, added);
            for (int id = base.size(); id < vocabulary.size(); id++) {
                int kind = random.nextInt(4);
                vocabulary.scores()[id] = kind == 0 ? -0.0f : kind == 1 ? 0f : random.nextInt(-4, 5) / 2f;
                if (random.nextInt(30) == 0) {
                    byte[] token = vocabulary.tokens()[id];
                    byte[] part = Arrays.copyOf(token, token.length + 1);
                    part[token.length] = (byte) (0x80 + id % 0x40);
                    vocabulary.tokens()[id] = part;
                }
            }
            List<byte[]> all = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                StringBuilder text = new StringBuilder();
                for (int j = random.nextInt(60); j > 0; j--) {
                    String letter = letters[random.nextInt(letters.length)];
                    text.append(letter.equals("\u2581") && random.nextBoolean() ? " " : letter);
                }
                byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
                if (bytes.length > 0 && random.nextInt(3) == 0) {
                    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
                }
                all.add(bytes);
            }
            assertSameIds(vocabulary, all);
        }
    }

    /** Where there is no {@code <0x61>}, a token that is the byte itself stands in. */
    @Test
    void bytesAsTheirOwnTokens() {
        byte[][] tokens = new byte[259][];
        TokenType[] types = new TokenType[259];
        List<String> special = List.of("<unk>", "<s>", "</s>");
        for (int id = 0; id < 259; id++) {
            // NUL cannot be spelled by itself in a C string.
            tokens[id] = id < 3
                    ? special.get(id).getBytes(StandardCharsets.UTF_8)
                    : id == 3 ? ByteTokens.spelling(0) : new byte[] {(byte) (id - 3)};
            types[id] = id < 3 ? TokenType.CONTROL : TokenType.NORMAL;
        }
        types[0] = TokenType.UNKNOWN;
        Vocabulary vocabulary = new Vocabulary(
                TokenizerModel.SENTENCE_PIECE, Optional.empty(), tokens, new float[259], types, new GgufMetadata());
        assertSameIds(vocabulary, texts(new RandomText(20, tokens), 50));
    }

    private static Vocabulary bytesOnly() {
        Vocabulary bundled = bundled();
        return new Vocabulary(
                TokenizerModel.SENTENCE_PIECE,
                bundled.pre(),
                Arrays.copyOf(bundled.tokens(), 259),
                Arrays.copyOf(bundled.scores(), 259),
                Arrays.copyOf(bundled.types(), 259),
                bundled.settings());
    }

    private static Vocabulary extended(Vocabulary base, Map<String, TokenType> added) {
        List<String> names = new ArrayList<>(added.keySet());
        names.removeIf(name -> IntStream.range(0, base.size())
                .anyMatch(id -> new String(base.tokens()[id], StandardCharsets.UTF_8).equals(name)));
        int size = base.size() + names.size();
        byte[][] tokens = Arrays.copyOf(base.tokens(), size);
        float[] scores = Arrays.copyOf(base.scores(), size);
        TokenType[] types = Arrays.copyOf(base.types(), size);
        for (int i = 0; i < names.size(); i++) {
            int id = base.size() + i;
            tokens[id] = names.get(i).getBytes(StandardCharsets.UTF_8);
            scores[id] = -1000f;
            types[id] = added.getOrDefault(names.get(i), TokenType.NORMAL);
        }
        return new Vocabulary(base.model(), base.pre(), tokens, scores, types, base.settings());
    }

    private static Vocabulary with(Vocabulary base, GgufMetadata settings) {
        return new Vocabulary(base.model(), base.pre(), base.tokens(), base.scores(), base.types(), settings);
    }

    private static List<byte[]> texts(RandomText texts, int count) {
        List<byte[]> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(texts.valid());
            all.add(texts.any());
        }
        return all;
    }

    private void assertSameIds(Vocabulary vocabulary, List<byte[]> texts) {
        LlamaCpp.require();
        Path file = directory.resolve("vocabulary-" + System.nanoTime() + ".gguf");
        GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("llama"));
        vocabulary.writeTo(metadata);
        GgufLayout layout = GgufLayout.plan(metadata, List.of());
        try (GgufWriter writer = new GgufWriter(layout, OutputFile.create(file, layout.fileSize(), List.of(), false))) {
            writer.commit();
        }
        Tokenizer ours = Tokenizer.of(metadata);
        try (LlamaModel theirs = LlamaCpp.loadVocabulary(file)) {
            assertThat(theirs.vocabularySize()).isEqualTo(ours.size());
            for (byte[] text : texts) {
                for (boolean addSpecial : new boolean[] {false, true}) {
                    assertSameIds(text, theirs.tokenize(text, addSpecial, false), ours.encode(text, addSpecial));
                    assertSameIds(text, theirs.tokenize(text, addSpecial, true), ours.encode(text, addSpecial, true));
                }
            }
        }
    }

    private static void assertSameIds(byte[] text, int[] expected, int[] found) {
        if (!Arrays.equals(found, expected)) {
            assertThat(found)
                    .as(HexFormat.of().formatHex(text, 0, Math.min(text.length, 400)))
                    .isEqualTo(expected);
        }
    }
}
