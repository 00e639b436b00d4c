/** GGML's block types: their sizes, their codecs, and the rules by which a mix such as Q4_K_M chooses one for each tensor. */
@NullMarked
package dev.quern.quantization;

import org.jspecify.annotations.NullMarked;
