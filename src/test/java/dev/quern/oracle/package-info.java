/** llama.cpp's own libraries, called from the tests: what Quern's bytes and numbers are held against. */
@NullMarked
package dev.quern.oracle;

import org.jspecify.annotations.NullMarked;
