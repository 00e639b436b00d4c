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
 * (DesiredMethodLimit), and a vector that crosses a call is boxed.
 *
 * <p>A vector that a loop carries from one turn to the next is never what a method is called on, but an argument:
 * {@code weight.add(sum)}, not {@code sum.add(weight)}. Where the two meet at the loop's head the compiler knows no more
 * than the declared, abstract type; which class it is it would have to learn from a profile, and there is none when the
 * compiler was too busy to take one. The calls then stay calls, every vector goes to the heap, and nothing compiles the
 * kernel again. KernelAllocationTest runs all kernels without such profiles.
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
