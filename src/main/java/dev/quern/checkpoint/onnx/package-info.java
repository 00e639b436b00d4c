/** ONNX models: the weights that their graphs name. */
@NullMarked
package dev.quern.checkpoint.onnx;

import org.jspecify.annotations.NullMarked;
