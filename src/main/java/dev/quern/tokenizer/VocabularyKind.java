package dev.quern.tokenizer;

import java.util.List;

/**
 * How a model family's vocabulary is read from the files of its checkpoint: what the {@code set_vocab} of the peer's
 * model classes does. A family names several where its models come with different files; the first whose files are there
 * is taken.
 */
public enum VocabularyKind {
    /** {@code tokenizer.model}, SentencePiece byte pair encoding, and added tokens. */
    SENTENCEPIECE(TokenizerFile.TOKENIZER_MODEL),
    /** {@code tokenizer.json} of SentencePiece byte pair encoding, without its model file. */
    LLAMA_HF(TokenizerFile.TOKENIZER),
    /** Byte-level byte pair encoding: {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt}. */
    GPT2(TokenizerFile.TOKENIZER, TokenizerFile.VOCABULARY),
    /** BERT's: {@code tokenizer.json} or {@code vocab.txt}. */
    WORDPIECE(TokenizerFile.TOKENIZER, TokenizerFile.WORDS),
    /** SentencePiece Unigram, T5's way: {@code spiece.model} or {@code tokenizer.model}. */
    UNIGRAM(TokenizerFile.TOKENIZER_MODEL, TokenizerFile.SPIECE_MODEL),
    /** The first Qwen's: {@code qwen.tiktoken}. */
    QWEN(TokenizerFile.QWEN_RANKS),
    /** {@code tokenizer.model} and its added tokens, Phi-3's way. */
    PHI3(TokenizerFile.TOKENIZER_MODEL),
    /** {@code tokenizer.model}, InternLM2's way. */
    INTERNLM2(TokenizerFile.TOKENIZER_MODEL),
    /** Byte-level; the tokens that end texts and turns are found by their names, ChatGLM's way. */
    CHATGLM(TokenizerFile.TOKENIZER, TokenizerFile.VOCABULARY),
    /** As ChatGLM's, and a text begins with the token that ends one: GLM-4 of April 2025. */
    GLM4(TokenizerFile.TOKENIZER, TokenizerFile.VOCABULARY),
    /** Byte-level; the tokens that begin and end texts and turns are found by their names, GLM's way. */
    GLM(TokenizerFile.TOKENIZER, TokenizerFile.VOCABULARY),
    /** {@code tokenizer.model} without a tokenizer.json, ChatGLM3's way. */
    CHATGLM3(TokenizerFile.TOKENIZER_MODEL),
    /** SentencePiece Unigram, XLM-RoBERTa's way: {@code sentencepiece.bpe.model} or {@code tokenizer.json}. */
    XLM_ROBERTA(TokenizerFile.XLM_ROBERTA_MODEL, TokenizerFile.TOKENIZER),
    /** Mistral's {@code tekken.json}. */
    TEKKEN(TokenizerFile.TEKKEN);

    private final List<TokenizerFile> files;

    VocabularyKind(TokenizerFile... files) {
        this.files = List.of(files);
    }

    /** The files of which one must be there. */
    List<TokenizerFile> files() {
        return files;
    }
}
