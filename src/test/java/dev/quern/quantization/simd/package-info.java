@NullMarked
package dev.quern.quantization.simd;

import org.jspecify.annotations.NullMarked;
