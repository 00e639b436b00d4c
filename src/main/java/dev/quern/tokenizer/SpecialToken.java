package dev.quern.tokenizer;

/**
 * The roles a token can have, by the word that Hugging Face's files use ({@code bos_token}, {@code bos_token_id}) and
 * the key GGUF has for it. {@code cls} is looked for, but GGUF has no key that convert_hf_to_gguf.py would write it to.
 */
public enum SpecialToken {
    BOS("bos", "tokenizer.ggml.bos_token_id"),
    EOS("eos", "tokenizer.ggml.eos_token_id"),
    UNKNOWN("unk", "tokenizer.ggml.unknown_token_id"),
    // Spelled so in the format.
    SEPARATOR("sep", "tokenizer.ggml.seperator_token_id"),
    PADDING("pad", "tokenizer.ggml.padding_token_id"),
    MASK("mask", "tokenizer.ggml.mask_token_id"),
    END_OF_TURN("eot", "tokenizer.ggml.eot_token_id"),
    END_OF_MESSAGE("eom", "tokenizer.ggml.eom_token_id");

    private final String word;
    private final String key;

    SpecialToken(String word, String key) {
        this.word = word;
        this.key = key;
    }

    public String word() {
        return word;
    }

    public String key() {
        return key;
    }
}
