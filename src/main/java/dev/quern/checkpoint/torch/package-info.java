/** Files of torch.save: the zip container, the restricted unpickler that runs nothing, and the tensors they describe. */
@NullMarked
package dev.quern.checkpoint.torch;

import org.jspecify.annotations.NullMarked;
