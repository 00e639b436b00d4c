@NullMarked
package dev.quern.gguf;

import org.jspecify.annotations.NullMarked;
