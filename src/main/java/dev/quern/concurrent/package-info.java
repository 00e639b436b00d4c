/** Threads that share out work. */
@NullMarked
package dev.quern.concurrent;

import org.jspecify.annotations.NullMarked;
