package dev.quern.tokenizer;

import java.util.OptionalInt;

/**
 * The roles a token can have, by the word that Hugging Face's files use ({@code bos_token}, {@code bos_token_id}) and
 * the key GGUF has for it. {@code cls} is looked for, but GGUF has no key that convert_hf_to_gguf.py would write it to.
 */
public enum SpecialToken {
    BOS("bos", "tokenizer.ggml.bos_token_id", 1),
    EOS("eos", "tokenizer.ggml.eos_token_id", 2),
    UNKNOWN("unk", "tokenizer.ggml.unknown_token_id", 0),
    // Spelled so in the format.
    SEPARATOR("sep", "tokenizer.ggml.seperator_token_id", -1),
    PADDING("pad", "tokenizer.ggml.padding_token_id", -1),
    MASK("mask", "tokenizer.ggml.mask_token_id", -1),
    END_OF_TURN("eot", "tokenizer.ggml.eot_token_id", -1),
    END_OF_MESSAGE("eom", "tokenizer.ggml.eom_token_id", -1);

    private final String word;
    private final String key;
    private final int assumed;

    SpecialToken(String word, String key, int assumed) {
        this.word = word;
        this.key = key;
        this.assumed = assumed;
    }

    public String word() {
        return word;
    }

    public String key() {
        return key;
    }

    /** The id that llama.cpp takes for a vocabulary of model "llama" whose metadata does not say. */
    OptionalInt assumed() {
        return assumed < 0 ? OptionalInt.empty() : OptionalInt.of(assumed);
    }
}
