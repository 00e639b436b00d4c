/** The GGUF container: metadata in order, tensor table, layout planned before a byte is written, strict reading. */
@NullMarked
package dev.quern.gguf;

import org.jspecify.annotations.NullMarked;
