package dev.quern.quantization;

import dev.quern.quantization.simd.Hardware;

/** Which implementation of the codecs runs. Both give the same bytes; {@code SCALAR} is the specification. */
public enum Kernel {
    SCALAR,
    SIMD;

    private static final String VECTOR_API = "jdk.incubator.vector";

    /** The kernel to use where nobody asks for one: SIMD if this JVM has the Vector API and this CPU the registers. */
    public static Kernel fastest() {
        // Without the module not even the class that asks the CPU can be loaded.
        return ModuleLayer.boot().findModule(VECTOR_API).isPresent() && Hardware.hasWideVectors() ? SIMD : SCALAR;
    }
}
