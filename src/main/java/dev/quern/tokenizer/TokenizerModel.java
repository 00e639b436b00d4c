package dev.quern.tokenizer;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The kinds of vocabulary that GGUF has ({@code tokenizer.ggml.model}), and what llama.cpp takes for granted for each of
 * them where a file does not say (llama-vocab.cpp, {@code llama_vocab::impl::load}).
 */
public enum TokenizerModel {
    /** SentencePiece's byte pair encoding: scores decide what is merged. */
    SENTENCE_PIECE("llama", true, false, true, 1, 2, 0, -1, -1, -1),
    /** Byte-level byte pair encoding: merges in order, after a {@link PreTokenizer}. */
    BYTE_PAIR("gpt2", false, false, false, 11, 11, -1, -1, -1, -1),
    /** WordPiece: the longest token first, word by word. */
    WORD_PIECE("bert", true, false, false, 101, -1, 100, 102, 0, 103),
    /** Unigram: the tokens whose scores have the greatest sum. */
    UNIGRAM("t5", false, true, false, -1, 1, 2, -1, 0, -1);

    private final String id;
    private final boolean addsBos;
    private final boolean addsEos;
    private final boolean addsSpacePrefix;
    private final Map<SpecialToken, Integer> assumed = new EnumMap<>(SpecialToken.class);

    TokenizerModel(
            String id,
            boolean addsBos,
            boolean addsEos,
            boolean addsSpacePrefix,
            int bos,
            int eos,
            int unknown,
            int separator,
            int padding,
            int mask) {
        this.id = id;
        this.addsBos = addsBos;
        this.addsEos = addsEos;
        this.addsSpacePrefix = addsSpacePrefix;
        assumed.put(SpecialToken.BOS, bos);
        assumed.put(SpecialToken.EOS, eos);
        assumed.put(SpecialToken.UNKNOWN, unknown);
        assumed.put(SpecialToken.SEPARATOR, separator);
        assumed.put(SpecialToken.PADDING, padding);
        assumed.put(SpecialToken.MASK, mask);
    }

    /** The name in GGUF. */
    public String id() {
        return id;
    }

    static Optional<TokenizerModel> named(String id) {
        return Arrays.stream(values()).filter(model -> model.id.equals(id)).findFirst();
    }

    boolean addsBos() {
        return addsBos;
    }

    boolean addsEos() {
        return addsEos;
    }

    boolean addsSpacePrefix() {
        return addsSpacePrefix;
    }

    /** The token that has this role when the file names none. */
    OptionalInt assumed(SpecialToken role) {
        int id = assumed.getOrDefault(role, -1);
        return id >= 0 ? OptionalInt.of(id) : OptionalInt.empty();
    }
}
