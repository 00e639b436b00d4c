/**
 * The codecs by the Vector API. Every lane does what the scalar codec does, in its order, so the bytes are the same;
 * the species is 256 bits on every machine.
 */
@NullMarked
package dev.quern.quantization.simd;

import org.jspecify.annotations.NullMarked;
