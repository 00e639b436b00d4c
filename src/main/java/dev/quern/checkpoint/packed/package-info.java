/** Weights that other tools have quantized, read as the matrices they stand for. */
@NullMarked
package dev.quern.checkpoint.packed;

import org.jspecify.annotations.NullMarked;
