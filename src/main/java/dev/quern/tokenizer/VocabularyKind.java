package dev.quern.tokenizer;

/**
 * How a model family's vocabulary is found among the files of its checkpoint, as convert_hf_to_gguf.py finds it (the
 * {@code set_vocab} of each model class). Where several files would do, the order of the kind's name says which goes
 * first.
 */
public enum VocabularyKind {
    /** tokenizer.model, else tokenizer.json: byte pairs with byte tokens, else byte-level; and what CodeLlama needs. */
    LLAMA,
    /** tokenizer.model. */
    SENTENCE_PIECE,
    /** Byte-level byte pair encoding: tokenizer.json, or vocab.json and merges.txt. */
    BYTE_LEVEL,
    /** tokenizer.model, else byte-level. */
    SENTENCE_PIECE_OR_BYTE_LEVEL,
    /** Byte-level where its files are, else tokenizer.model. */
    BYTE_LEVEL_OR_SENTENCE_PIECE
}
