/** The command line: one class per command. */
@NullMarked
package dev.quern.cli;

import org.jspecify.annotations.NullMarked;
