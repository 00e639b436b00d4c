@NullMarked
package dev.quern.quantization.lattice;

import org.jspecify.annotations.NullMarked;
