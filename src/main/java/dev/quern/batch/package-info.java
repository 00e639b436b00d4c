/** Recipes: many sources, types and gates in one run that goes on where it stopped. */
@NullMarked
package dev.quern.batch;

import org.jspecify.annotations.NullMarked;
