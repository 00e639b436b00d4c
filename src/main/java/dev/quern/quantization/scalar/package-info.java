/** The codecs as ggml's reference quantizers have them, operation by operation: the specification of the others. */
@NullMarked
package dev.quern.quantization.scalar;

import org.jspecify.annotations.NullMarked;
