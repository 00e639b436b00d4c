package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A vocabulary as GGUF writes it: the tokens' bytes, scores (log probabilities or merge ranks, higher is better) and
 * {@linkplain TokenType types}, all of one length, index = token id; then every other {@code tokenizer.*} key in file
 * order, so that a vocabulary read and written is the same keys in the same places.
 *
 * @param model {@code tokenizer.ggml.model}
 * @param pre {@code tokenizer.ggml.pre}; empty when the file does not say
 * @param scores without elements for a vocabulary that has none
 * @param settings the keys after the arrays: merges, special ids, flags, chat templates. Where {@code
 *     tokenizer.ggml.model} is among them, they are all keys, in an order of their own
 */
public record Vocabulary(
        TokenizerModel model,
        Optional<String> pre,
        byte[][] tokens,
        float[] scores,
        TokenType[] types,
        GgufMetadata settings) {
    static final String MODEL = "tokenizer.ggml.model";
    static final String PRE = "tokenizer.ggml.pre";
    static final String TOKENS = "tokenizer.ggml.tokens";
    static final String SCORES = "tokenizer.ggml.scores";
    static final String TYPES = "tokenizer.ggml.token_type";
    static final String MERGES = "tokenizer.ggml.merges";
    static final String ADD_BOS = "tokenizer.ggml.add_bos_token";
    static final String ADD_EOS = "tokenizer.ggml.add_eos_token";
    static final String ADD_SEP = "tokenizer.ggml.add_sep_token";
    static final String ADD_SPACE_PREFIX = "tokenizer.ggml.add_space_prefix";
    static final String REMOVE_EXTRA_WHITESPACES = "tokenizer.ggml.remove_extra_whitespaces";
    static final String CHARACTER_MAP = "tokenizer.ggml.precompiled_charsmap";
    static final String TOKEN_TYPE_COUNT = "tokenizer.ggml.token_type_count";
    static final String LOWERCASE = "tokenizer.ggml.normalizer.lowercase";
    static final String STRIP_ACCENTS = "tokenizer.ggml.normalizer.strip_accents";

    public Vocabulary {
        if (scores.length != 0 && scores.length != tokens.length || types.length != tokens.length) {
            throw new IllegalArgumentException(
                    "%d tokens, %d scores, %d types".formatted(tokens.length, scores.length, types.length));
        }
        settings = new GgufMetadata(settings);
    }

    /** The same vocabulary with these keys. */
    Vocabulary with(GgufMetadata keys) {
        return new Vocabulary(model, pre, tokens, scores, types, keys);
    }

    /** Tokens in the vocabulary: the rows that the embedding has. */
    public int size() {
        return tokens.length;
    }

    /** The token with this role: what the metadata says, otherwise what llama.cpp assumes for such a vocabulary. */
    public OptionalInt special(SpecialToken role) {
        var said = settings.integer(role.key());
        if (said.isPresent()) {
            return OptionalInt.of(Math.toIntExact(said.getAsLong()));
        }
        if (role == SpecialToken.BOS && preTokenizer().map(PreTokenizer::noBos).orElse(false)) {
            return OptionalInt.empty();
        }
        OptionalInt assumed = model.assumed(role);
        return assumed.isPresent() && assumed.getAsInt() < size() ? assumed : OptionalInt.empty();
    }

    public boolean addsBos() {
        return settings.bool(ADD_BOS)
                .orElse(model.addsBos()
                        || preTokenizer().map(PreTokenizer::addBos).orElse(false));
    }

    public boolean addsEos() {
        return settings.bool(ADD_EOS).orElse(model.addsEos());
    }

    /** Whether a space is put before text at the start and after a special token. */
    public boolean addsSpacePrefix() {
        return settings.bool(ADD_SPACE_PREFIX).orElse(model.addsSpacePrefix());
    }

    /** Byte-level vocabularies only have one. */
    private Optional<PreTokenizer> preTokenizer() {
        return model == TokenizerModel.BYTE_PAIR ? pre.flatMap(PreTokenizer::named) : Optional.empty();
    }

    /** Puts the vocabulary's keys into {@code out}, in the order of convert_hf_to_gguf.py. */
    public void writeTo(GgufMetadata out) {
        if (settings.get(MODEL).isPresent()) {
            settings.asMap().forEach(out::put);
            return;
        }
        out.put(MODEL, GgufValue.text(model.id()));
        pre.ifPresent(name -> out.put(PRE, GgufValue.text(name)));
        out.put(TOKENS, new GgufValue.Texts(tokens));
        if (scores.length > 0) {
            out.put(SCORES, new GgufValue.Floats(scores));
        }
        long[] ids = new long[types.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = types[i].id();
        }
        out.put(TYPES, new GgufValue.Ints(GgufType.INT32, ids));
        settings.asMap().forEach(out::put);
    }

    /**
     * The vocabulary in a GGUF file's metadata.
     *
     * @throws InputException when a key is missing, of another type or length, or out of range; or the model is one that
     *     Quern does not tokenize with
     */
    public static Vocabulary of(GgufMetadata metadata) {
        return of(metadata, "GGUF metadata");
    }

    /** @param file the name that messages begin with */
    public static Vocabulary of(GgufMetadata metadata, String file) {
        return new VocabularyReader(metadata, file).read();
    }
}
