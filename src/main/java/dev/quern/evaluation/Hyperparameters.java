package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.io.InputException;

/**
 * The sizes and constants of a model, from GGUF metadata ({@code <architecture>.block_count} and so on) and, where its
 * family says more than a file does, from the family's page.
 *
 * @param pass how the model computes
 * @param contextLength positions the model was trained with
 * @param width floats of a token's state ({@code embedding_length})
 * @param feedForward floats inside the feed-forward network; 0 when all blocks have experts
 * @param keyValueHeads heads of keys and values; each serves {@code heads / keyValueHeads} query heads
 * @param keyLength floats of a head of queries and keys
 * @param valueLength floats of a head of values
 * @param rope of blocks that see everything
 * @param slidingRope of blocks with a sliding window
 * @param window tokens that a block with a sliding window sees; 0 for none
 * @param sliding for each block whether it has the sliding window
 * @param parallel whether attention and feed-forward network read the same state
 * @param scan of families without attention; its sizes are 0 for others
 */
@SuppressWarnings("ArrayRecordComponent")
record Hyperparameters(
        ForwardPass pass,
        int contextLength,
        int width,
        int blocks,
        int feedForward,
        int heads,
        int keyValueHeads,
        int keyLength,
        int valueLength,
        float normEpsilon,
        Rope rope,
        Rope slidingRope,
        int window,
        boolean[] sliding,
        boolean bidirectional,
        boolean parallel,
        Scales scales,
        Experts experts,
        Latent latent,
        Scan scan)
        implements Heads {

    /**
     * A rotary embedding.
     *
     * @param dimensions leading floats of a head that turn (trailing ones of a latent head)
     * @param scale what positions are multiplied by (1 / {@code rope.scaling.factor})
     * @param yarn how much of YaRN's blend of scaled and unscaled frequencies; 0 for none
     * @param magnitude what turned values are multiplied by
     */
    record Rope(
            ForwardPass.Rope kind,
            int dimensions,
            double base,
            double scale,
            double yarn,
            double betaFast,
            double betaSlow,
            boolean truncated,
            int originalContext,
            double magnitude) {

        /** Nothing turns. */
        static Rope none(int originalContext) {
            return new Rope(ForwardPass.Rope.NONE, 0, 1, 1, 0, 0, 0, true, originalContext, 1);
        }

        /** The same elements turn, by frequencies of this base, not scaled. */
        Rope unscaled(double newBase) {
            return new Rope(kind, dimensions, newBase, 1, 0, 0, 0, true, originalContext, 1);
        }

        Rope withBase(double newBase) {
            return new Rope(
                    kind, dimensions, newBase, scale, yarn, betaFast, betaSlow, truncated, originalContext, magnitude);
        }
    }

    /**
     * @param attention what products of queries and keys are multiplied by
     * @param attentionCap c in c · tanh(x / c); 0 for none
     * @param alibi the largest bias of ALiBi; 0 for none
     * @param clamp what queries, keys and values are cut to; 0 for none
     */
    record Scales(
            float embedding,
            float residual,
            float logit,
            float attention,
            float attentionCap,
            float logitCap,
            float alibi,
            float clamp) {}

    /**
     * A mixture of experts.
     *
     * @param count 0 for none
     * @param feedForward floats inside an expert
     * @param firstBlock the first block that has experts
     */
    record Experts(
            int count,
            int used,
            int feedForward,
            int firstBlock,
            Gating gating,
            boolean normalized,
            float scale,
            int groups,
            int groupsUsed) {
        static Experts none(int blocks) {
            return new Experts(0, 0, 0, blocks, Gating.SOFTMAX, false, 1, 0, 0);
        }
    }

    /** How the router's logits become weights ({@code expert_gating_func}). */
    enum Gating {
        SOFTMAX,
        SIGMOID,
        /** Softmax over those that were chosen. */
        SOFTMAX_OF_CHOSEN
    }

    /**
     * Multi-head latent attention.
     *
     * @param queryRank width of the queries' latent state; 0 where queries come from the state itself
     * @param rank width of the latent state of keys and values; 0 for plain attention
     * @param keyLength floats of a head's key, the turned ones among them
     */
    record Latent(int queryRank, int rank, int keyLength, int valueLength) {
        static final Latent NONE = new Latent(0, 0, 0, 0);
    }

    /**
     * A selective state space.
     *
     * @param kernel tokens that the convolution spans
     * @param inner channels
     * @param states of each channel; 0 for attention
     * @param rank width of what a token's steps come from
     * @param normed whether steps, inputs and outputs are normalized
     */
    record Scan(int kernel, int inner, int states, int rank, boolean normed) {
        static final Scan NONE = new Scan(0, 0, 0, 0, false);
    }

    /** The widest row there is. */
    int widest() {
        int experts = experts().feedForward();
        int latentWidth =
                Math.max(latent.rank() + rope.dimensions(), Math.max(latent.queryRank(), latent.keyLength() * heads));
        return Math.max(
                Math.max(Math.max(width, Math.max(feedForward, experts)), Math.max(queryWidth(), attendedWidth())),
                Math.max(
                        Math.max(keyWidth(), latentWidth),
                        Math.max(scan.inner(), Math.addExact(scan.rank(), 2 * scan.states()))));
    }

    /** @throws InputException naming the key that is missing, of the wrong type, unknown, or says what cannot be */
    static Hyperparameters of(Model model, ForwardPass pass) {
        int blocks = new Keys(model, pass).required("block_count", Keys.MOST_BLOCKS);
        ForwardPass mine = pass.of(blocks);
        return new HyperparametersReader(new Keys(model, mine), mine).read(blocks);
    }
}
