package dev.quern.quantization.simd;

import jdk.incubator.vector.VectorShape;

/** What the Vector API says about the CPU. */
public final class Hardware {
    private Hardware() {}

    /** Whether 256 bits fit a register; otherwise every vector of these kernels would be made of objects. */
    public static boolean hasWideVectors() {
        return VectorShape.preferredShape().vectorBitSize() >= 256;
    }
}
