@NullMarked
package dev.quern.io;

import org.jspecify.annotations.NullMarked;
