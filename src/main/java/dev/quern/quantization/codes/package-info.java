/** Block types as what they say: scales, minima and codes that anyone may choose. */
@NullMarked
package dev.quern.quantization.codes;

import org.jspecify.annotations.NullMarked;
