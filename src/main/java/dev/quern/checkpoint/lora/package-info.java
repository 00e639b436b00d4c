/** LoRA adapters: small matrices that change a model's weights. */
@NullMarked
package dev.quern.checkpoint.lora;

import org.jspecify.annotations.NullMarked;
