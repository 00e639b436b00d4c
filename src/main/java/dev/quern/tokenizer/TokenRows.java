package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/**
 * Tokens, one for each row of the embedding, while they are put together: first the model's pieces, the rest padding
 * ({@code [PAD2048]}, unused, score -10000), then what the added tokens replace (score -1000), as
 * convert_hf_to_gguf.py does it.
 */
final class TokenRows {
    private static final float PADDING_SCORE = -10000f;
    private static final float ADDED_SCORE = -1000f;

    private final Path file;
    private final byte[][] tokens;
    private final float[] scores;
    private final TokenType[] types;

    /** @throws InputException when the model has more pieces than the embedding has rows */
    TokenRows(Path file, SentencePieceModel model, long count) {
        if (model.size() > count) {
            throw InputException.of(
                    file, "expected at most " + count + " pieces, the rows of the embedding, found " + model.size());
        }
        if (count > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file, "expected an embedding of at most " + ModelOutline.MOST_PIECES + " rows, found " + count);
        }
        int rows = (int) count;
        this.file = file;
        tokens = Arrays.copyOf(model.pieces(), rows);
        scores = Arrays.copyOf(model.scores(), rows);
        types = Arrays.copyOf(model.types(), rows);
        for (int id = 0; id < rows; id++) {
            if (id >= model.size()) {
                tokens[id] = ("[PAD" + id + "]").getBytes(StandardCharsets.UTF_8);
                scores[id] = PADDING_SCORE;
                types[id] = TokenType.UNUSED;
            } else if (types[id] == TokenType.USER_DEFINED) {
                // The peer tells unknown, control, unused and byte pieces apart; all others are normal.
                types[id] = TokenType.NORMAL;
            }
        }
    }

    int size() {
        return tokens.length;
    }

    void add(int id, String token, TokenType type) {
        tokens[id] = token.getBytes(StandardCharsets.UTF_8);
        scores[id] = ADDED_SCORE;
        types[id] = type;
    }

    void set(int id, TokenType type) {
        types[id] = type;
    }

    void set(int id, float score) {
        scores[id] = score;
    }

    /** The same token by another name. */
    void rename(int id, String token) {
        tokens[id] = token.getBytes(StandardCharsets.UTF_8);
    }

    TokenType type(int id) {
        return types[id];
    }

    boolean begins(int id, String beginning) {
        return new String(tokens[id], StandardCharsets.UTF_8).startsWith(beginning);
    }

    /** @throws InputException when an added token has the text of another one, which llama.cpp does not load */
    Vocabulary vocabulary(GgufMetadata settings) {
        return vocabulary(TokenizerModel.SENTENCE_PIECE, settings);
    }

    Vocabulary vocabulary(TokenizerModel model, GgufMetadata settings) {
        TokenTable seen = new TokenTable(tokens.length);
        for (int id = 0; id < tokens.length; id++) {
            int before = seen.put(tokens[id], id);
            if (before >= 0) {
                throw InputException.of(
                        file,
                        "with added tokens: expected every token once, found "
                                + Quoted.of(new String(tokens[id], StandardCharsets.UTF_8)) + " as ids " + before
                                + " and " + id);
            }
        }
        return new Vocabulary(model, Optional.of("default"), tokens, scores, types, settings);
    }
}
