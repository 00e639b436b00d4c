package dev.quern.pipeline;

/** How the codes of quantized tensors are chosen; types, sizes and metadata are the same with all. */
public enum Method {
    /** As llama-quantize chooses them: byte for byte its files. */
    REFERENCE,
    /** Each row for itself, with the scales of least weighted error among all roundings. */
    SEARCH,
    /** A row's codes together, layer after layer, for what the layers compute on a text. */
    COMPENSATED
}
