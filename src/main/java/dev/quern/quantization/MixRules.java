package dev.quern.quantization;

import static dev.quern.quantization.FileType.*;
import static dev.quern.quantization.TensorRole.*;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The type mixes of llama.cpp v0.5.0 as a table. For a tensor's role and a file type the first line whose condition
 * holds decides; where none does, the file type's base type stays.
 *
 * <p>Sources: llama.cpp src/llama-quant.cpp; and the pinned libraries, with which the tests compare whole files.
 */
final class MixRules {
    private MixRules() {}

    /** What a condition may look at. */
    record Facts(
            String architecture,
            int layer,
            int layers,
            int sharedHeads,
            int experts,
            boolean importance,
            boolean rowsDivide) {

        /** Query heads for each key/value head are at least four: attn_v is small and every bit in it counts. */
        boolean grouped() {
            return sharedHeads >= 4;
        }

        boolean falcon() {
            return architecture.equals("falcon");
        }

        /** The first and last eighth of the layers, and every third between them. */
        boolean moreBits() {
            return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
        }

        boolean firstEighth() {
            return layer < layers / 8;
        }

        boolean firstSixteenth() {
            return layer < layers / 16;
        }
    }

    /**
     * @param type the type to take; null keeps the base type
     * @param why what the dry run prints
     */
    record Rule(Set<TensorRole> roles, Set<FileType> files, String why, Predicate<Facts> when, QuantType type) {
        boolean applies(TensorRole role, FileType file, Facts facts) {
            return roles.contains(role) && files.contains(file) && when.test(facts);
        }
    }

    private static final Set<FileType> ALL = EnumSet.allOf(FileType.class);
    private static final Set<FileType> ONE_BIT = EnumSet.of(IQ1_S, IQ1_M);
    private static final Set<FileType> TWO_BIT = EnumSet.of(IQ2_XXS, IQ2_XS, IQ1_S, IQ1_M);
    private static final Set<FileType> TWO_BIT_LARGE = EnumSet.of(IQ2_S, IQ2_M);
    private static final Set<FileType> VERY_SMALL = EnumSet.of(IQ2_XXS, IQ2_XS, IQ1_S, IQ1_M, IQ2_S, IQ2_M);
    private static final Set<FileType> NOT_VERY_SMALL = EnumSet.complementOf(EnumSet.copyOf(VERY_SMALL));
    private static final Set<FileType> ATTENTION_OUTPUT_WITH_EIGHT_EXPERTS =
            EnumSet.of(Q2_K, IQ3_XS, IQ3_XXS, Q3_K_S, Q3_K_M, IQ4_NL, Q4_K_S, Q4_K_M, IQ3_S, IQ3_M, IQ4_XS);

    static final List<Rule> RULES = List.of(
            // The output matrix, or the token embedding where it serves as one.
            rule(OUTPUT, EnumSet.of(MXFP4_MOE), "output", QuantType.Q8_0),
            rule(
                    OUTPUT,
                    ALL,
                    "output of falcon, or rows that no block divides",
                    f -> f.falcon() || !f.rowsDivide,
                    QuantType.Q8_0),
            rule(OUTPUT, EnumSet.of(IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ2_S, IQ2_M, IQ1_M), "output", QuantType.Q5_K),
            rule(OUTPUT, EnumSet.complementOf(EnumSet.of(Q8_0)), "output", QuantType.Q6_K),

            // The token embedding.
            rule(TOKEN_EMBEDDING, TWO_BIT, "token embedding", QuantType.Q2_K),
            rule(TOKEN_EMBEDDING, EnumSet.of(IQ2_S, IQ2_M, IQ3_XXS), "token embedding", QuantType.IQ3_S),
            rule(TOKEN_EMBEDDING, EnumSet.of(TQ1_0, TQ2_0, Q2_0), "token embedding", QuantType.Q4_K),

            // Values.
            rule(
                    ATTENTION_V,
                    VERY_SMALL,
                    "grouped queries, or four experts",
                    f -> f.grouped() || f.experts >= 4,
                    QuantType.Q4_K),
            rule(ATTENTION_V, TWO_BIT_LARGE, "attn_v", QuantType.IQ3_S),
            rule(ATTENTION_V, TWO_BIT, "attn_v", QuantType.Q2_K),
            rule(ATTENTION_V, NOT_VERY_SMALL, "eight experts", f -> f.experts == 8, QuantType.Q8_0),
            rule(
                    ATTENTION_V,
                    EnumSet.of(Q2_K, Q2_K_S, IQ3_XXS, IQ3_XS, IQ3_S),
                    "grouped queries",
                    Facts::grouped,
                    QuantType.Q4_K),
            rule(ATTENTION_V, EnumSet.of(Q2_K), "attn_v", QuantType.Q3_K),
            rule(ATTENTION_V, EnumSet.of(IQ3_XXS), "attn_v without importance", f -> !f.importance, QuantType.IQ3_S),
            rule(ATTENTION_V, EnumSet.of(IQ3_M), "attn_v", QuantType.Q4_K),
            rule(ATTENTION_V, EnumSet.of(Q3_K_M), "first two attn_v", f -> f.layer < 2, QuantType.Q5_K),
            rule(ATTENTION_V, EnumSet.of(Q3_K_M), "attn_v", QuantType.Q4_K),
            rule(ATTENTION_V, EnumSet.of(Q3_K_L), "attn_v", QuantType.Q5_K),
            rule(ATTENTION_V, EnumSet.of(IQ4_NL, IQ4_XS), "grouped queries", Facts::grouped, QuantType.Q5_K),
            rule(ATTENTION_V, EnumSet.of(Q4_K_M, Q5_K_M), "more bits", Facts::moreBits, QuantType.Q6_K),
            rule(ATTENTION_V, EnumSet.of(Q4_K_S), "first four attn_v", f -> f.layer < 4, QuantType.Q5_K),

            // Keys and queries.
            rule(ATTENTION_K, VERY_SMALL, "eight experts", f -> f.experts == 8, QuantType.Q4_K),
            rule(ATTENTION_K, NOT_VERY_SMALL, "eight experts", f -> f.experts == 8, QuantType.Q8_0),
            rule(
                    EnumSet.of(ATTENTION_K, ATTENTION_Q),
                    EnumSet.of(IQ3_XS),
                    "keys and queries",
                    f -> true,
                    QuantType.IQ3_XXS),
            rule(
                    EnumSet.of(ATTENTION_K, ATTENTION_Q),
                    EnumSet.of(IQ3_XXS),
                    "keys and queries",
                    f -> true,
                    QuantType.IQ2_S),

            // The attention's output.
            rule(ATTENTION_OUTPUT, VERY_SMALL, "eight experts", f -> f.experts == 8, QuantType.Q5_K),
            rule(ATTENTION_OUTPUT, ONE_BIT, "attn_output", QuantType.IQ2_XXS),
            rule(ATTENTION_OUTPUT, TWO_BIT_LARGE, "attn_output", QuantType.IQ3_S),
            rule(ATTENTION_OUTPUT, EnumSet.of(Q3_K_L), "attn_output of falcon", Facts::falcon, QuantType.Q4_K),
            rule(
                    ATTENTION_OUTPUT,
                    ATTENTION_OUTPUT_WITH_EIGHT_EXPERTS,
                    "eight experts",
                    f -> !f.falcon() && f.experts == 8,
                    QuantType.Q5_K),
            rule(ATTENTION_OUTPUT, EnumSet.of(Q2_K), "attn_output", MixRules::plain, QuantType.Q3_K),
            rule(ATTENTION_OUTPUT, EnumSet.of(IQ3_XXS), "attn_output", MixRules::plain, QuantType.IQ3_S),
            rule(ATTENTION_OUTPUT, EnumSet.of(Q3_K_M, IQ3_M), "attn_output", MixRules::plain, QuantType.Q4_K),
            rule(ATTENTION_OUTPUT, EnumSet.of(Q3_K_L), "attn_output", MixRules::plain, QuantType.Q5_K),

            // The feed-forward network.
            rule(FFN_DOWN, TWO_BIT_LARGE, "first eighth", Facts::firstEighth, QuantType.IQ3_S),
            rule(FFN_DOWN, TWO_BIT, "first eighth", Facts::firstEighth, QuantType.Q2_K),
            rule(FFN_DOWN, EnumSet.of(Q2_K), "ffn_down", QuantType.Q3_K),
            rule(FFN_DOWN, EnumSet.of(Q2_K_S), "first eighth", Facts::firstEighth, QuantType.Q4_K),
            rule(
                    FFN_DOWN,
                    EnumSet.of(IQ3_XXS),
                    "first eighth, without importance",
                    f -> !f.importance && f.firstEighth(),
                    QuantType.Q4_K),
            rule(FFN_DOWN, EnumSet.of(IQ3_XXS), "ffn_down without importance", f -> !f.importance, QuantType.Q3_K),
            rule(FFN_DOWN, EnumSet.of(Q3_K_M), "first sixteenth", Facts::firstSixteenth, QuantType.Q5_K),
            rule(FFN_DOWN, EnumSet.of(Q3_K_M), "ffn_down", f -> !f.falcon() || f.moreBits(), QuantType.Q4_K),
            rule(
                    FFN_DOWN,
                    EnumSet.of(IQ3_M),
                    "first eighth, or more bits with eight experts",
                    f -> f.firstEighth() || (f.experts == 8 && f.moreBits()),
                    QuantType.Q4_K),
            rule(FFN_DOWN, EnumSet.of(Q3_K_L), "ffn_down of falcon", Facts::falcon, QuantType.Q4_K),
            rule(FFN_DOWN, EnumSet.of(Q3_K_L), "ffn_down", QuantType.Q5_K),
            rule(
                    FFN_DOWN,
                    EnumSet.of(Q4_K_M),
                    "first sixteenth of falcon",
                    f -> f.falcon() && f.firstSixteenth(),
                    QuantType.Q6_K),
            rule(FFN_DOWN, EnumSet.of(Q4_K_M), "more bits, falcon", f -> f.falcon() && f.moreBits(), QuantType.Q5_K),
            rule(FFN_DOWN, EnumSet.of(Q4_K_M), "more bits", f -> !f.falcon() && f.moreBits(), QuantType.Q6_K),
            rule(
                    FFN_DOWN,
                    EnumSet.of(IQ4_NL, IQ4_XS),
                    "first eighth, without importance",
                    f -> !f.importance && f.firstEighth(),
                    QuantType.Q5_K),
            rule(FFN_DOWN, EnumSet.of(Q5_K_M), "more bits", Facts::moreBits, QuantType.Q6_K),
            rule(FFN_DOWN, EnumSet.of(Q4_K_S), "first eighth", f -> !f.falcon() && f.firstEighth(), QuantType.Q5_K),
            rule(
                    FFN_DOWN,
                    EnumSet.of(Q4_0),
                    "first eighth, with importance",
                    f -> f.importance && f.firstEighth(),
                    QuantType.Q4_1),
            rule(
                    FFN_DOWN,
                    EnumSet.of(Q5_0),
                    "first eighth, with importance",
                    f -> f.importance && f.firstEighth(),
                    QuantType.Q5_1),
            rule(
                    EnumSet.of(FFN_GATE, FFN_UP),
                    EnumSet.of(IQ3_XS),
                    "middle layers",
                    f -> f.layer >= f.layers / 8 && f.layer < 7 * f.layers / 8,
                    QuantType.IQ3_XXS));

    private static boolean plain(Facts facts) {
        return !facts.falcon() && facts.experts != 8;
    }

    private static Rule rule(TensorRole role, Set<FileType> files, String why, QuantType type) {
        return rule(EnumSet.of(role), files, why, facts -> true, type);
    }

    private static Rule rule(TensorRole role, Set<FileType> files, String why, Predicate<Facts> when, QuantType type) {
        return rule(EnumSet.of(role), files, why, when, type);
    }

    private static Rule rule(
            Set<TensorRole> roles, Set<FileType> files, String why, Predicate<Facts> when, QuantType type) {
        return new Rule(roles, files, why, when, type);
    }
}
