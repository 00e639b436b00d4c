/** The files of llama.cpp before GGUF (March to August 2023): GGML, GGMF and GGJT. */
@NullMarked
package dev.quern.checkpoint.ggml;

import org.jspecify.annotations.NullMarked;
