package dev.quern.tokenizer;

import java.util.Optional;

/**
 * What a token is, with its number in {@code tokenizer.ggml.token_type}. SentencePiece numbers the same kinds the same
 * way ({@code formats/sentencepiece_model.proto}), except that it has no number 0.
 */
public enum TokenType {
    UNDEFINED(0),
    NORMAL(1),
    UNKNOWN(2),
    CONTROL(3),
    USER_DEFINED(4),
    UNUSED(5),
    BYTE(6);

    private final int id;

    TokenType(int id) {
        this.id = id;
    }

    public int id() {
        return id;
    }

    public static Optional<TokenType> fromId(long id) {
        return id >= 0 && id < values().length ? Optional.of(values()[(int) id]) : Optional.empty();
    }
}
