package dev.quern.tensor;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Bfloat16 as floats, eight at a time: C2 (25) does not vectorize intBitsToFloat (JDK-8329077). */
final class BfloatLanes {
    // 256 bits on every machine: the results are the same bits either way, and one width is one thing to test.
    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_128;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_256;

    private BfloatLanes() {}

    /** @return how many of {@code count} it has decoded; fewer than eight are left */
    static int decode(MemorySegment source, long at, int count, float[] out, int to) {
        int i = 0;
        for (; i <= count - 8; i += 8) {
            IntVector bits =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, source, at + 2L * i, ByteOrder.LITTLE_ENDIAN)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            FloatVector values = bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
            values.intoArray(out, to + i);
        }
        return i;
    }
}
