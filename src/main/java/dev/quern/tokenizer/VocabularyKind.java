package dev.quern.tokenizer;

/**
 * How a model family's vocabulary is read from the files of its checkpoint: what the {@code set_vocab} of the peer's
 * model classes does. A family names several where its models come with different files; the first whose files are there
 * is taken.
 */
public enum VocabularyKind {
    /** {@code tokenizer.model}, SentencePiece byte pair encoding, and added tokens. */
    SENTENCEPIECE,
    /** {@code tokenizer.json} of SentencePiece byte pair encoding, without its model file. */
    LLAMA_HF,
    /** Byte-level byte pair encoding: {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt}. */
    GPT2,
    /** BERT's: {@code tokenizer.json} or {@code vocab.txt}. */
    WORDPIECE,
    /** SentencePiece Unigram, T5's way: {@code spiece.model} or {@code tokenizer.model}. */
    UNIGRAM,
    /** The first Qwen's: {@code qwen.tiktoken}. */
    QWEN,
    /** {@code tokenizer.model} and its added tokens, Phi-3's way. */
    PHI3,
    /** {@code tokenizer.model}, InternLM2's way. */
    INTERNLM2,
    /** Byte-level; the tokens that end texts and turns are found by their names, ChatGLM's way. */
    CHATGLM,
    /** As ChatGLM's, and a text begins with the token that ends one: GLM-4 of April 2025. */
    GLM4,
    /** Byte-level; the tokens that begin and end texts and turns are found by their names, GLM's way. */
    GLM,
    /** Mistral's {@code tekken.json}. */
    TEKKEN
}
