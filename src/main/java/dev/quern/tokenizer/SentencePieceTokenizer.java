package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.io.ByteArrayOutputStream;

/**
 * The tokenizer of vocabularies of model "llama": SentencePiece's byte pair encoding as llama.cpp runs it
 * (llama-vocab.cpp, {@code llm_tokenizer_spm}). Every stretch of text between the tokens that are cut out gets
 * a space in front, spaces become {@code ▁}, and {@link BigramMerging} does the rest.
 *
 * <p>Where llama.cpp and SentencePiece differ, this follows llama.cpp, because perplexities are compared with it: merges
 * may form control, unknown and unused tokens, and a character map or whitespace folding in the model file is not
 * applied.
 */
final class SentencePieceTokenizer extends VocabularyTokenizer {
    private final TokenTable table;
    private final MergeBoundaries boundaries;
    /** The token of every byte value, or {@link #NONE}. */
    private final int[] byteTokens;

    private final int unknown;

    SentencePieceTokenizer(Vocabulary vocabulary) {
        super(vocabulary);
        table = LoadedTokens.table(texts);
        boundaries = new MergeBoundaries(texts);
        byteTokens = new int[256];
        unknown = vocabulary.special(SpecialToken.UNKNOWN).orElseThrow();
        for (int value = 0; value < 256; value++) {
            int spelled = table.find(ByteTokens.spelling(value));
            byteTokens[value] = spelled >= 0 ? spelled : table.find(new byte[] {(byte) value});
        }
    }

    /** Every stretch stands behind a token that was cut out, or begins the text: all get the space. */
    @Override
    StretchEncoder stretches() {
        BigramMerging merging = new BigramMerging(table, vocabulary.scores(), boundaries, byteTokens, unknown);
        boolean prefix = vocabulary.addsSpacePrefix();
        return (text, from, to, out) -> merging.encode(escaped(text, from, to, prefix), out);
    }

    private static byte[] escaped(byte[] text, int from, int to, boolean prefix) {
        int spaces = 0;
        for (int i = from; i < to; i++) {
            spaces += text[i] == ' ' ? 1 : 0;
        }
        byte[] out = new byte[escapedLength(to - from, spaces, prefix)];
        int at = 0;
        if (prefix) {
            System.arraycopy(LoadedTokens.SPACE, 0, out, 0, LoadedTokens.SPACE.length);
            at = LoadedTokens.SPACE.length;
        }
        for (int i = from; i < to; i++) {
            if (text[i] == ' ') {
                System.arraycopy(LoadedTokens.SPACE, 0, out, at, LoadedTokens.SPACE.length);
                at += LoadedTokens.SPACE.length;
            } else {
                out[at++] = text[i];
            }
        }
        return out;
    }

    static int escapedLength(int bytes, int spaces, boolean prefix) {
        long length = bytes + (LoadedTokens.SPACE.length - 1L) * spaces + (prefix ? LoadedTokens.SPACE.length : 0);
        // The longest array that JVMs allocate.
        if (length > Integer.MAX_VALUE - 8) {
            throw InputException.of(
                            "text", "expected less than 2 GiB with spaces as U+2581, found " + length + " bytes")
                    .withHint("Take a shorter text.");
        }
        return (int) length;
    }

    @Override
    void write(int id, boolean first, ByteArrayOutputStream out) {
        if (vocabulary.types()[id] == TokenType.BYTE) {
            out.write(ByteTokens.valueOf(texts[id]));
        } else {
            writeWithSpaces(id, first && vocabulary.addsSpacePrefix(), out);
        }
    }
}
