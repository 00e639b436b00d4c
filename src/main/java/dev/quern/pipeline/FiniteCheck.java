package dev.quern.pipeline;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Finds values that a type cannot hold. */
final class FiniteCheck {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_256;

    /** Half of the step above F16's largest value, 65504: from here on rounding gives infinity. */
    static final float F16_OVERFLOW = 65520f;

    private FiniteCheck() {}

    /** The index of the first value whose magnitude is not below {@code limit} (NaN never is), or -1. */
    static int firstNotBelow(float limit, float[] values, int count) {
        int i = 0;
        for (; i <= count - SPECIES.length(); i += SPECIES.length()) {
            if (!allBelow(limit, values, i)) {
                break;
            }
        }
        for (; i < count; i++) {
            if (!(Math.abs(values[i]) < limit)) {
                return i;
            }
        }
        return -1;
    }

    private static boolean allBelow(float limit, float[] values, int at) {
        return FloatVector.fromArray(SPECIES, values, at)
                .abs()
                .compare(VectorOperators.LT, limit)
                .allTrue();
    }
}
