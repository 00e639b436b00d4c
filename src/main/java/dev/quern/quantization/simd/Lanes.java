package dev.quern.quantization.simd;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The species: 256 bits on every machine, so that what a kernel does does not depend on where it runs.
 *
 * <p>Kernels here are static methods over arrays, a screen long at most, and hand no vector to a method of their own:
 * the compiler stops inlining such methods once a few dozen vector operations have used up its budget
 * (DesiredMethodLimit), and a vector that crosses a call is boxed. The allocation test would notice.
 */
final class Lanes {
    /** Floats in a vector. */
    static final int COUNT = 8;

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_256;
    static final VectorSpecies<Integer> INTS = IntVector.SPECIES_256;
    static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_128;
    static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_64;

    private Lanes() {}
}
