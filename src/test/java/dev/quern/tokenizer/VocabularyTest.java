package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.quern.checkpoint.Hostile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class VocabularyTest {
    @Test
    void readAndWrittenIsTheSameKeysInTheSamePlaces() {
        GgufMetadata metadata = new GgufMetadata();
        HuggingFaceVocabulary.read(Path.of("test-data/models/tolstoy-4m"), OptionalLong.of(2048), notice -> {})
                .writeTo(metadata);
        metadata.put("tokenizer.chat_template", GgufValue.text("t"));
        GgufMetadata whole = new GgufMetadata().put("general.architecture", GgufValue.text("llama"));
        metadata.asMap().forEach(whole::put);
        whole.put("general.file_type", GgufValue.u32(1));

        GgufMetadata again = new GgufMetadata();
        Vocabulary.of(whole).writeTo(again);
        assertThat(new ArrayList<>(again.asMap().entrySet()))
                .isEqualTo(new ArrayList<>(metadata.asMap().entrySet()));
    }

    /** The directory that Meta hands out: a tokenizer.model and nothing else about tokens. */
    @Test
    void metaDirectory() {
        Path file = Path.of("test-data/models/tolstoy-4m-meta/tokenizer.model");
        GgufMetadata fromMeta = new GgufMetadata();
        SentencePieceModel.read(file).vocabulary(file, 2048).writeTo(fromMeta);
        GgufMetadata fromHuggingFace = new GgufMetadata();
        HuggingFaceVocabulary.read(Path.of("test-data/models/tolstoy-4m"), OptionalLong.of(2048), notice -> {})
                .writeTo(fromHuggingFace);
        // What the Hugging Face directory says beyond that, and what llama.cpp assumes anyway.
        fromHuggingFace.remove("tokenizer.ggml.add_sep_token");
        fromHuggingFace.remove("tokenizer.ggml.add_space_prefix");
        assertThat(new ArrayList<>(fromMeta.asMap().entrySet()))
                .isEqualTo(new ArrayList<>(fromHuggingFace.asMap().entrySet()));
    }

    @Test
    void assumptionsAreThoseOfLlamaCpp() {
        GgufMetadata metadata = metadata();
        Vocabulary vocabulary = Vocabulary.of(metadata);
        assertThat(vocabulary.special(SpecialToken.BOS)).hasValue(1);
        assertThat(vocabulary.special(SpecialToken.EOS)).hasValue(2);
        assertThat(vocabulary.special(SpecialToken.UNKNOWN)).hasValue(0);
        assertThat(vocabulary.special(SpecialToken.PADDING)).isEqualTo(OptionalInt.empty());
        assertThat(vocabulary.addsBos()).isTrue();
        assertThat(vocabulary.addsEos()).isFalse();
        assertThat(vocabulary.addsSpacePrefix()).isTrue();
        assertThat(vocabulary.pre()).isEmpty();
    }

    @Test
    void modelIsNotSentencePiece() {
        assertThatExceptionOfType(InputException.class)
                .isThrownBy(() -> Vocabulary.of(metadata().put("tokenizer.ggml.model", GgufValue.text("rwkv"))))
                .withMessage(
                        "GGUF metadata: tokenizer.ggml.model: expected one of \"llama\", \"gpt2\", \"bert\", \"t5\","
                                + " found \"rwkv\"")
                .satisfies(e -> assertThat(e.hint()).contains("can still be quantized"));
        refused("tokenizer.ggml.model", GgufValue.u32(1), "expected a string, found UINT32");
        missing("tokenizer.ggml.model", "expected a string, found nothing");
        refused("tokenizer.ggml.pre", GgufValue.bool(true), "expected a string, found BOOL");
    }

    @Test
    void tokens() {
        missing("tokenizer.ggml.tokens", "expected an array of strings, found nothing");
        refused(
                "tokenizer.ggml.tokens",
                GgufValue.f32s(1, 2, 3),
                "expected an array of strings, found an array of FLOAT32");
        refused("tokenizer.ggml.tokens", GgufValue.texts(List.of()), "expected at least one token, found none");
        refused(
                "tokenizer.ggml.tokens",
                GgufValue.texts(List.of("<unk>", "a", "</s>", "a", "<0x41>")),
                "expected every token once, found \"a\" as ids 1 and 3");
    }

    @Test
    void scores() {
        missing("tokenizer.ggml.scores", "expected an array of FLOAT32, found nothing");
        refused(
                "tokenizer.ggml.scores",
                new GgufValue.Ints(GgufType.INT8, new long[5]),
                "expected an array of FLOAT32, found an array of INT8");
        refused("tokenizer.ggml.scores", GgufValue.f32s(0), "expected 5 values, one for each token, found 1");
        refused(
                "tokenizer.ggml.scores",
                GgufValue.f32s(0, 0, Float.NaN, 0, 0),
                "expected a finite score for token 2, found NaN");
    }

    @Test
    void types() {
        refused(
                "tokenizer.ggml.token_type",
                new GgufValue.Ints(GgufType.INT8, new long[5]),
                "expected an array of INT32, found an array of INT8");
        refused(
                "tokenizer.ggml.token_type",
                GgufValue.i32s(2, 3, 3, 1),
                "expected 5 values, one for each token, found 4");
        refused(
                "tokenizer.ggml.token_type",
                GgufValue.i32s(2, 3, 3, 7, 6),
                "expected a type from 0 to 6 for token 3, found 7");
    }

    /** llama.cpp takes all tokens for normal ones where a file does not say. */
    @Test
    void withoutTypesAllTokensAreNormal() {
        GgufMetadata metadata = metadata();
        metadata.remove("tokenizer.ggml.token_type");
        assertThat(Vocabulary.of(metadata).types()).hasSize(5).containsOnly(TokenType.NORMAL);
    }

    @Test
    void byteTokens() {
        for (String token : new String[] {"<0x-1>", "<0xZZ>", "<0x1>", "x"}) {
            Hostile.thrownBy(() -> Vocabulary.of(metadata()
                            .put(
                                    "tokenizer.ggml.tokens",
                                    GgufValue.texts(List.of("<unk>", "<s>", "</s>", "a", token)))))
                    .isInstanceOf(InputException.class)
                    .hasMessage("GGUF metadata: tokenizer.ggml.tokens: expected a byte token like <0x0A> as id 4,"
                            + " found \"" + token + "\"");
        }
    }

    @Test
    void specialIds() {
        refused("tokenizer.ggml.bos_token_id", GgufValue.u32(5), "expected a token id below 5, found 5");
        refused("tokenizer.ggml.eos_token_id", GgufValue.i32(-1), "expected a token id below 5, found -1");
        refused("tokenizer.ggml.eos_token_id", GgufValue.text("2"), "expected a token id, found STRING");
        refused("tokenizer.ggml.add_bos_token", GgufValue.u32(1), "expected BOOL, found UINT32");
    }

    private static GgufMetadata metadata() {
        return new GgufMetadata()
                .put("tokenizer.ggml.model", GgufValue.text("llama"))
                .put("tokenizer.ggml.tokens", GgufValue.texts(List.of("<unk>", "<s>", "</s>", "a", "<0x41>")))
                .put("tokenizer.ggml.scores", GgufValue.f32s(0, 0, 0, -1, 0))
                .put("tokenizer.ggml.token_type", GgufValue.i32s(2, 3, 3, 1, 6));
    }

    private static void missing(String key, String message) {
        GgufMetadata metadata = metadata();
        metadata.remove(key);
        Hostile.thrownBy(() -> Vocabulary.of(metadata, "model.gguf"))
                .isInstanceOf(InputException.class)
                .hasMessage("model.gguf: " + key + ": " + message);
    }

    private static void refused(String key, GgufValue value, String message) {
        Hostile.thrownBy(() -> Vocabulary.of(metadata().put(key, value), "model.gguf"))
                .isInstanceOf(InputException.class)
                .hasMessage("model.gguf: " + key + ": " + message);
    }
}
