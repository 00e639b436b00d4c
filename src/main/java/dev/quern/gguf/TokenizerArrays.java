package dev.quern.gguf;

import dev.quern.io.InputException;
import java.util.List;
import java.util.Set;

/**
 * The tokenizer's arrays, which llama.cpp reads through pointers of a fixed type and up to the number of tokens without
 * asking (proofs of concept of 2026 used INT8 scores).
 */
final class TokenizerArrays {
    private static final String TOKENS = "tokenizer.ggml.tokens";

    private record Rule(String key, Set<GgufType> elements, boolean perToken) {}

    private static final List<Rule> RULES = List.of(
            new Rule(TOKENS, Set.of(GgufType.STRING), true),
            new Rule("tokenizer.ggml.scores", Set.of(GgufType.FLOAT32), true),
            new Rule("tokenizer.ggml.token_type", Set.of(GgufType.INT32, GgufType.UINT32), true),
            new Rule("tokenizer.ggml.merges", Set.of(GgufType.STRING), false),
            new Rule("tokenizer.ggml.precompiled_charsmap", Set.of(GgufType.UINT8, GgufType.INT8), false));

    @FunctionalInterface
    interface Refusal {
        InputException expected(String key, String expected, String found);
    }

    private TokenizerArrays() {}

    static void check(GgufMetadata metadata, Refusal refusal) {
        int tokens = metadata.get(TOKENS).orElse(null) instanceof GgufValue.Array array ? array.size() : -1;
        for (Rule rule : RULES) {
            metadata.get(rule.key()).ifPresent(value -> check(rule, value, tokens, refusal));
        }
    }

    private static void check(Rule rule, GgufValue value, int tokens, Refusal refusal) {
        String types = String.join(
                " or ", rule.elements().stream().map(GgufType::name).sorted().toList());
        if (!(value instanceof GgufValue.Array array)) {
            throw refusal.expected(rule.key(), "an array of " + types, "a " + value.type());
        }
        if (!rule.elements().contains(array.element())) {
            throw refusal.expected(rule.key(), "an array of " + types, "one of " + array.element());
        }
        if (rule.perToken() && array.size() != tokens) {
            throw refusal.expected(
                    rule.key(),
                    tokens < 0 ? "none without " + TOKENS : tokens + " elements, one for each token",
                    array.size() + " elements");
        }
    }
}
