/** The safetensors format: a JSON header, then the weights without gaps. */
@NullMarked
package dev.quern.checkpoint.safetensors;

import org.jspecify.annotations.NullMarked;
