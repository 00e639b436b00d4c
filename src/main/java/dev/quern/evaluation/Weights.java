package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A model's tensors as the forward pass uses them. Vectors are read at once, matrices when they are needed.
 *
 * @param positions an embedding of positions, a row each
 * @param tokenType what all tokens take from the embedding of token types, or empty
 * @param output the matrix that makes logits; the embedding itself when the model has no {@code output.weight}
 * @param ropeFactors divisors of the rotary frequencies, or empty
 */
@SuppressWarnings("ArrayRecordComponent")
record Weights(
        WeightMatrix embedding,
        @Nullable WeightMatrix positions,
        float[] tokenType,
        Norm embeddingNorm,
        List<Block> blocks,
        Norm outputNorm,
        WeightMatrix output,
        RopeFactors ropeFactors) {

    /**
     * One block; what it does not have is null, or {@link Norm#NONE}.
     *
     * @param afterAttention of what attention adds
     * @param afterFeedForward of what the network adds
     * @param attentionOutput after attention, or after the state space
     * @param sinks for each head a logit that takes part in the softmax and has no value; or empty
     */
    record Block(
            Norm attentionNorm,
            @Nullable Projections projections,
            @Nullable LatentProjections latent,
            @Nullable StateSpace stateSpace,
            @Nullable HeadNorm queryNorm,
            @Nullable HeadNorm keyNorm,
            float[] sinks,
            WeightMatrix attentionOutput,
            Norm afterAttention,
            Norm feedForwardNorm,
            @Nullable FeedForward feedForward,
            @Nullable Experts experts,
            Norm afterFeedForward) {
        /** Whether it has a feed-forward network of either kind. */
        boolean hasNetwork() {
            return feedForward != null || experts != null;
        }
    }

    /** @param length values over which the norm is: a head's, or a row's */
    record HeadNorm(Norm norm, int length) {}

    record Projections(WeightMatrix query, WeightMatrix key, WeightMatrix value) {}

    /**
     * Multi-head latent attention with each head's key matrix taken over to the queries, as GGUF has it.
     *
     * @param queryDown from the state to the queries' latent state, or null
     * @param query to all heads' queries: first what does not turn, then what does
     * @param down to the latent state and the turned part of the one key
     * @param keys for each head: from a query's part that does not turn to the latent state
     * @param values for each head: from the latent state to values
     */
    record LatentProjections(
            @Nullable WeightMatrix queryDown,
            Norm queryNorm,
            WeightMatrix query,
            WeightMatrix down,
            Norm norm,
            List<WeightMatrix> keys,
            List<WeightMatrix> values) {}

    /**
     * A selective state space over {@code inner} channels with {@code n} states each.
     *
     * @param input to the channels, and {@code gate} to what their results are multiplied by
     * @param convolution {@code inner} weights for each token that the convolution spans, the oldest token's first
     * @param parts from the channels to what steps come from, to the states' inputs and to their outputs
     * @param step from the first of these to the channels' steps
     * @param decay block of 256 channels by block, and in each row by row of states
     * @param skip for each channel what its input is multiplied by on its way past the states
     */
    record StateSpace(
            WeightMatrix input,
            WeightMatrix gate,
            float[] convolution,
            float[] convolutionBias,
            WeightMatrix parts,
            WeightMatrix step,
            float[] decay,
            float[] skip) {}

    /** @param gate null where the activation has none */
    record FeedForward(@Nullable WeightMatrix gate, WeightMatrix up, WeightMatrix down) {}

    /**
     * @param bias of the choice only, or empty
     * @param shared an expert that every token goes through, or null
     * @param sharedGate whose sigmoid weighs the shared expert, or null
     */
    record Experts(
            WeightMatrix router,
            float[] bias,
            List<FeedForward> experts,
            @Nullable FeedForward shared,
            @Nullable WeightMatrix sharedGate) {}

    /** Divisors of the rotary frequencies, one for each pair, or empty: of long and of short contexts. */
    record RopeFactors(float[] longContext, float[] shortContext) {
        float[] of(int positions, int originalContext) {
            return positions > originalContext ? longContext : shortContext;
        }
    }

    int vocabulary() {
        return embedding.rows();
    }

    /** @throws InputException for more positions than the model has an embedding for */
    void refuseBeyondPositions(Model model, int wanted) {
        if (positions != null && wanted > positions.rows()) {
            throw InputException.expected(
                            java.nio.file.Path.of(model.origin()),
                            "tensor " + Quoted.of(positions.name()),
                            wanted + " positions",
                            positions.rows() + "")
                    .withHint("use a smaller context");
        }
    }
}
