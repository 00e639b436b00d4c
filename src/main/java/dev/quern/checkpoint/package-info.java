/** Checkpoints as people download them: what kind of files they are and which tensors lie where. */
@NullMarked
package dev.quern.checkpoint;

import org.jspecify.annotations.NullMarked;
