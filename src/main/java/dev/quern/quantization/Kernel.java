package dev.quern.quantization;

/** Which implementation of the codecs runs. Both give the same bytes; {@code SCALAR} is the specification. */
public enum Kernel {
    SCALAR,
    SIMD
}
