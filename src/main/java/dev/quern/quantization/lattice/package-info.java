/** The point grids behind ggml's IQ types, and the search for the point nearest to a group of values. */
@NullMarked
package dev.quern.quantization.lattice;

import org.jspecify.annotations.NullMarked;
