/**
 * The codecs as specification: each mirrors ggml's reference quantizer (ggml-quants.c of llama.cpp v0.5.0, built for
 * x86-64 without FMA contraction) in the order of its float operations, because that order decides the bytes.
 */
@NullMarked
package dev.quern.quantization.scalar;

import org.jspecify.annotations.NullMarked;
