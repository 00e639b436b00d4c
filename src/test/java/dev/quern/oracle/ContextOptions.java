package dev.quern.oracle;

/**
 * How a model is run. Keys and values are kept in the given type; attention is one fused kernel or plain products.
 *
 * @param flashAttention -1 lets the library choose, 0 is off, 1 is on
 * @param cacheType a float type's ggml id
 */
public record ContextOptions(int threads, int flashAttention, int cacheType) {
    /** What llama-perplexity does when it is not told otherwise: an F16 cache. */
    public static final ContextOptions AS_THE_TOOLS = new ContextOptions(LlamaCpp.THREADS, -1, 1);

    /** No rounding that the model's own weights do not ask for: plain attention over an F32 cache. */
    public static final ContextOptions FLOAT = new ContextOptions(LlamaCpp.THREADS, 0, 0);
}
