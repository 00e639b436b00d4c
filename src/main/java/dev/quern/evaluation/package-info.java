/** Is it good? The forward pass in float, and perplexity by llama-perplexity's method. */
@NullMarked
package dev.quern.evaluation;

import org.jspecify.annotations.NullMarked;
