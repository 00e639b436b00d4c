package dev.quern.evaluation;

import java.util.ArrayList;
import java.util.List;

/**
 * How the heads of one block attend.
 *
 * @param heads of queries
 * @param keyLength floats of a query or key head
 * @param ropeAt where in a head the turned elements begin
 * @param scale of products of queries and keys
 * @param cap c in c · tanh(score / c); 0 for none
 * @param slopes of ALiBi, what each position's distance costs, for each head; or empty
 * @param window positions that a token sees, its own among them; 0 for all
 * @param sinks for each head a logit that takes part in the softmax and has no value; or empty
 * @param bidirectional whether a token sees those after it
 */
@SuppressWarnings("ArrayRecordComponent")
record AttentionRule(
        int heads,
        int keyValueHeads,
        int keyLength,
        int valueLength,
        RotaryEmbedding rope,
        int ropeAt,
        float scale,
        float cap,
        float[] slopes,
        int window,
        float[] sinks,
        boolean bidirectional)
        implements Heads {

    /** One for each block, for sequences of up to {@code positions} tokens. */
    static List<AttentionRule> of(Hyperparameters sizes, Weights weights, int positions) {
        float[] factors = weights.ropeFactors().of(positions, sizes.rope().originalContext());
        RotaryEmbedding rope = new RotaryEmbedding(
                positions,
                sizes.pass().onlySlidingTurns()
                        ? Hyperparameters.Rope.none(sizes.rope().originalContext())
                        : sizes.rope(),
                factors);
        boolean anySliding = false;
        for (boolean sliding : sizes.sliding()) {
            anySliding |= sliding;
        }
        RotaryEmbedding slidingRope = anySliding ? new RotaryEmbedding(positions, sizes.slidingRope(), factors) : rope;
        boolean latent = sizes.latent().rank() > 0;
        int rotated = sizes.rope().dimensions();
        List<AttentionRule> rules = new ArrayList<>();
        for (int block = 0; block < sizes.blocks(); block++) {
            boolean sliding = sizes.sliding()[block];
            int keyLength = latent ? sizes.latent().rank() + rotated : sizes.keyLength();
            rules.add(new AttentionRule(
                    sizes.heads(),
                    latent ? 1 : sizes.keyValueHeads(),
                    keyLength,
                    latent ? sizes.latent().rank() : sizes.valueLength(),
                    sliding ? slidingRope : rope,
                    latent ? keyLength - rotated : 0,
                    sizes.scales().attention(),
                    sizes.scales().attentionCap(),
                    slopes(sizes.heads(), sizes.scales().alibi()),
                    sliding ? sizes.window() : 0,
                    weights.blocks().get(block).sinks(),
                    sizes.bidirectional()));
        }
        return List.copyOf(rules);
    }

    /** Press et al. 2022: a geometric series; for a number of heads that is no power of two the gaps are filled. */
    static float[] slopes(int heads, float most) {
        if (most == 0) {
            return new float[0];
        }
        float[] slopes = new float[heads];
        int power = Integer.highestOneBit(heads);
        for (int head = 0; head < heads; head++) {
            double exponent = head < power ? head + 1.0 : head - power + 0.5;
            slopes[head] = (float) Math.pow(2, -most / power * exponent);
        }
        return slopes;
    }

    /** Query heads that share a head of keys and values. */
    int group() {
        return heads / keyValueHeads;
    }

    /** The first position that one sees. */
    int firstSeen(int position) {
        return window == 0 ? 0 : Math.max(0, position - window + 1);
    }

    /** Turns a head of a query or key. */
    void rotate(float[] head, int at, int position) {
        rope.rotate(head, at + ropeAt, position);
    }

    /**
     * From products of one query with keys to weights that add up to what is returned.
     *
     * @param scores of positions {@code first .. first + count - 1}, from index {@code at} on
     * @param position the query's
     * @param lanes scratch for eight floats
     */
    double exponentiate(float[] scores, int at, int first, int count, int position, int head, float[] lanes) {
        if (cap > 0) {
            Activations.cap(scores, at, count, cap, lanes);
        }
        if (slopes.length > 0) {
            bias(scores, at, first - position, count, slopes[head]);
        }
        float max = Exponential.max(scores, at, count);
        if (sinks.length == 0) {
            return Exponential.exponentiate(scores, at, count, max, lanes);
        }
        max = Math.max(max, sinks[head]);
        return Exponential.exponentiate(scores, at, count, max, lanes) + Math.exp((double) sinks[head] - max);
    }

    private static void bias(float[] scores, int at, int distance, int count, float slope) {
        for (int i = 0; i < count; i++) {
            scores[at + i] -= slope * Math.abs(distance + i);
        }
    }
}
