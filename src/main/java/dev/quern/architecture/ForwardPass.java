package dev.quern.architecture;

import java.util.List;
import java.util.Map;

/**
 * How a family computes: switches over one block, which the evaluator knows. A page says them under {@code "forward"};
 * what it leaves out is as in LLaMA. What a GGUF's tensors show by being there (biases, fused projections, experts) needs
 * no switch.
 *
 * @param norm of states, and of queries and keys where they are normalized
 * @param rope which elements of a head turn together
 * @param activation of the feed-forward network
 * @param norms where in a block the norms stand
 * @param weightlessNorms whether norms are without weights (OLMo)
 * @param residual what the feed-forward network reads
 * @param feedForwardNorm name of the norm before the feed-forward network
 * @param queryKeyNorm whether queries and keys are normalized before they turn
 * @param attention how queries, keys and values come about
 * @param bidirectional whether a token sees those after it too (encoders)
 * @param positions whether there is a learned embedding of positions
 * @param tokenTypes whether there is an embedding of token types, of which all tokens take the first
 * @param embeddingNorm whether embeddings are normalized
 * @param embeddingScale what embeddings are multiplied by
 * @param attentionScale what products of queries and keys are multiplied by
 * @param logitScale how the key {@code logit_scale} applies
 * @param fullAttentionEvery of a model with a sliding window, every how many blocks one sees everything; 0 for none
 * @param slidingRope the rotary embedding of blocks with a sliding window
 * @param onlySlidingTurns whether blocks that see everything have no rotary embedding (Command-R7B)
 * @param keys optional metadata keys (after the family's name) that have a meaning in this family; a file with others is
 *     refused
 * @param constants values of such keys where a file does not have them
 * @param byBlocks the pass of models with a number of blocks for which it differs
 */
public record ForwardPass(
        Norm norm,
        Rope rope,
        Activation activation,
        Norms norms,
        boolean weightlessNorms,
        Residual residual,
        String feedForwardNorm,
        Presence queryKeyNorm,
        Mixing attention,
        boolean bidirectional,
        Presence positions,
        Presence tokenTypes,
        Presence embeddingNorm,
        EmbeddingScale embeddingScale,
        AttentionScale attentionScale,
        LogitScale logitScale,
        int fullAttentionEvery,
        SlidingRope slidingRope,
        boolean onlySlidingTurns,
        List<String> keys,
        Map<String, Double> constants,
        Map<String, ForwardPass> byBlocks) {

    /** A family like LLaMA but for these. */
    public static ForwardPass of(Norm norm, Rope rope, Activation activation) {
        return new ForwardPass(
                norm,
                rope,
                activation,
                Norms.BEFORE,
                false,
                Residual.SEQUENTIAL,
                "ffn_norm",
                Presence.NONE,
                Mixing.PLAIN,
                false,
                Presence.NONE,
                Presence.NONE,
                Presence.NONE,
                EmbeddingScale.NONE,
                AttentionScale.HEAD,
                LogitScale.MULTIPLY,
                0,
                SlidingRope.SAME,
                false,
                List.of(),
                Map.of(),
                Map.of());
    }

    /** The pass of a model with this many blocks. */
    public ForwardPass of(int blocks) {
        return byBlocks.getOrDefault(Integer.toString(blocks), this);
    }

    public enum Norm {
        /** x / sqrt(mean(x²) + epsilon), epsilon from {@code attention.layer_norm_rms_epsilon}. */
        RMS,
        /** (x - mean) / sqrt(variance + epsilon), epsilon from {@code attention.layer_norm_epsilon}. */
        LAYER
    }

    /** Which elements of a head are rotated together. */
    public enum Rope {
        /** Neighbours (2i, 2i+1): GGUF's LLaMA layout. */
        INTERLEAVED,
        /** (i, i + half of the rotated elements): GPT-NeoX. */
        HALF,
        NONE
    }

    /** The feed-forward network: down(act(gate(x)) · up(x)) where gated, else down(act(up(x))). */
    public enum Activation {
        SILU_GATED(true),
        /** With the tanh form of the normal distribution. */
        GELU_GATED(true),
        /** min(g, 7) · sigmoid(1.702 min(g, 7)) · (1 + clamp(u, -7, 7)): gpt-oss. */
        SILU_CLAMPED_GATED(true),
        SILU(false),
        /** The tanh form: x / (1 + e^(-2 sqrt(2/pi) (x + 0.044715 x³))). */
        GELU(false),
        /** The exact form: x / 2 · (1 + erf(x / sqrt(2))). */
        GELU_ERF(false),
        RELU(false),
        RELU_SQUARED(false);

        private final boolean gated;

        Activation(boolean gated) {
            this.gated = gated;
        }

        public boolean gated() {
            return gated;
        }
    }

    public enum Norms {
        /** Before attention and before the feed-forward network. */
        BEFORE,
        /** Before and, on what is added to the state, after: Gemma 2. */
        AROUND,
        /** Only on what is added to the state: OLMo 2. */
        AFTER,
        /** Of the sum: the first transformer, BERT. */
        SUM
    }

    public enum Residual {
        /** x + attention, then that + feed-forward. */
        SEQUENTIAL,
        /** x + attention(x) + feed-forward(x); without a norm of its own the network reads what attention reads. */
        PARALLEL,
        /** Parallel where blocks have no norm of their own for the feed-forward network: StableLM 2. */
        PARALLEL_WITHOUT_NORM,
        /** As the key {@code use_parallel_residual} says. */
        KEY
    }

    public enum Presence {
        NONE,
        OPTIONAL,
        REQUIRED
    }

    /** How tokens meet. */
    public enum Mixing {
        PLAIN,
        /** Keys and values from a narrow latent state that is kept instead of them (MLA): DeepSeek V2. */
        LATENT,
        /** No attention: a selective scan over the tokens (Mamba). */
        SELECTIVE_SCAN
    }

    public enum EmbeddingScale {
        /** As the key {@code embedding_scale} says, or none. */
        NONE,
        /** sqrt(width): Gemma. */
        SQRT_WIDTH
    }

    public enum AttentionScale {
        /** As the key {@code attention.scale} says, or 1 / sqrt(key length). */
        HEAD,
        /** 1 / sqrt(width / heads): Gemma 2 and 3 of 27B. */
        WIDTH_OVER_HEADS
    }

    public enum LogitScale {
        MULTIPLY,
        DIVIDE
    }

    public enum SlidingRope {
        /** As in the other blocks, base from {@code rope.freq_base_swa} where that is there. */
        SAME,
        /** Not scaled, base from {@code rope.freq_base_swa}, else 10000. */
        LOCAL,
        /** Not scaled, base from {@code rope.freq_base_swa}, else as in the other blocks. */
        UNSCALED
    }
}
