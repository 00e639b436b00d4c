/** Files as they are: mapped input with checked reads, output that appears whole or not at all, and the one way to refuse input. */
@NullMarked
package dev.quern.io;

import org.jspecify.annotations.NullMarked;
