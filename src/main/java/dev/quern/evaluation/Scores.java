package dev.quern.evaluation;

/**
 * What a candidate said at every scored position, beside the base: one entry for each position, window after window.
 * Single precision, in which llama-perplexity keeps them too.
 */
final class Scores {
    /** -ln q(token). */
    final float[] improbability;

    /** Σ p (ln p - ln q), nats. */
    final float[] divergence;

    /** q(token) - p(token). */
    final float[] probabilityChange;

    /** Whether both find the same token the most probable. */
    final boolean[] sameTop;

    Scores(int positions) {
        this.improbability = new float[positions];
        this.divergence = new float[positions];
        this.probabilityChange = new float[positions];
        this.sameTop = new boolean[positions];
    }
}
