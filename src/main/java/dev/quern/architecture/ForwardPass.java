package dev.quern.architecture;

/**
 * How a family computes: the switches over one pre-norm decoder block that the evaluator knows. A page says them under
 * {@code "forward"}.
 */
public record ForwardPass(Norm norm, Rope rope, Activation activation) {
    /** Root mean square (no mean, no bias), epsilon from {@code attention.layer_norm_rms_epsilon}. */
    public enum Norm {
        RMS
    }

    /** Which elements of a head are rotated together. */
    public enum Rope {
        /** Neighbours (2i, 2i+1): GGUF's LLaMA layout. */
        INTERLEAVED
    }

    /** The feed-forward network: down(act(gate(x)) · up(x)). */
    public enum Activation {
        SILU_GATED
    }
}
