/** What a checkpoint means: pages of data that map a family's names, hyperparameters and transforms to GGUF's. */
@NullMarked
package dev.quern.architecture;

import org.jspecify.annotations.NullMarked;
