/** Text to token ids and back, and the vocabularies that files carry. */
@NullMarked
package dev.quern.tokenizer;

import org.jspecify.annotations.NullMarked;
