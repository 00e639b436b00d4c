/** Which tensor gets which type, so that a model of a given size loses least. */
@NullMarked
package dev.quern.allocation;

import org.jspecify.annotations.NullMarked;
