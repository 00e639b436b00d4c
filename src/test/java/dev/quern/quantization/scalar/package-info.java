@NullMarked
package dev.quern.quantization.scalar;

import org.jspecify.annotations.NullMarked;
