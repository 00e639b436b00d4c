/** The plan and its execution: from a model's tensors to a whole GGUF file. */
@NullMarked
package dev.quern.pipeline;

import org.jspecify.annotations.NullMarked;
