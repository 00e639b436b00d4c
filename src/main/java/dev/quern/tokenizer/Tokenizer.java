package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;

/**
 * Text to token ids and back. Ids are those of llama.cpp's {@code llama_tokenize} with {@code parse_special = false}
 * (what its perplexity tool uses), for any bytes: text that is not UTF-8 is encoded as llama.cpp encodes it, and
 * {@link Utf8#firstInvalid} says whether that is so. Instances are immutable and may be shared between threads.
 */
public interface Tokenizer {
    /** Stands for a token that the vocabulary does not have. */
    int NONE = -1;

    /** @throws InputException when text cannot be encoded with this vocabulary */
    static Tokenizer of(Vocabulary vocabulary) {
        return switch (vocabulary.model()) {
            case SENTENCE_PIECE -> new SentencePieceTokenizer(vocabulary);
            case BYTE_PAIR -> new BytePairTokenizer(vocabulary);
            case WORD_PIECE -> new WordPieceTokenizer(vocabulary);
            case UNIGRAM -> new UnigramTokenizer(vocabulary);
        };
    }

    /** @throws InputException when the metadata holds no vocabulary that can be used; see {@link Vocabulary#of} */
    static Tokenizer of(GgufMetadata metadata) {
        return of(Vocabulary.of(metadata));
    }

    /**
     * @param addSpecial whether to begin with {@link #bos} and end with {@link #eos} where the vocabulary says so
     * @return token ids; none for an empty text without special tokens
     */
    default int[] encode(byte[] text, boolean addSpecial) {
        return encode(text, addSpecial, false);
    }

    /** @param parseSpecial whether text that spells a control token (or the unknown one) is taken for that token */
    int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial);

    /** As {@link #encode(byte[], boolean)} for the text's UTF-8 (a lone surrogate counts as a question mark). */
    default int[] encode(String text, boolean addSpecial) {
        return encode(text.getBytes(StandardCharsets.UTF_8), addSpecial);
    }

    /**
     * The text that {@link #encode} made the ids from: byte tokens as their bytes, {@code ▁} as a space, nothing for
     * control and unknown tokens, and without the space that encoding puts before text. A U+2581 of the text comes back
     * as a space, which the vocabulary writes in the same way.
     */
    byte[] decode(int[] ids);

    /** The id that begins a text, or {@link #NONE}. */
    int bos();

    /** The id that ends a text, or {@link #NONE}. */
    int eos();

    boolean addsBos();

    boolean addsEos();

    /** Number of token ids. */
    int size();
}
