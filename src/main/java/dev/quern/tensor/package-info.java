/** Tensors as promises of rows: where the numbers lie, and the lazy views that rename, permute, slice and join them. */
@NullMarked
package dev.quern.tensor;

import org.jspecify.annotations.NullMarked;
