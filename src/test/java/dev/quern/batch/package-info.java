@NullMarked
package dev.quern.batch;

import org.jspecify.annotations.NullMarked;
