package dev.quern.gguf;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;

/**
 * A tensor's entry in a GGUF file.
 *
 * @param shape outermost dimension first; the file has them reversed
 * @param offset bytes from the start of the data section
 * @param bytes what the tensor takes, without the padding behind it
 */
public record GgufTensor(String name, QuantType type, Shape shape, long offset, long bytes) {}
