package dev.quern.evaluation.gemm;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Sums of products of two runs of floats, for one token, which leaves a tile's other rows empty. */
public final class Dot {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    private Dot() {}

    /** Four sums of eight lanes each, added pairwise, then what is left over one by one. */
    public static float of(float[] a, int aAt, float[] b, int bAt, int count) {
        FloatVector s0 = FloatVector.zero(LANES);
        FloatVector s1 = FloatVector.zero(LANES);
        FloatVector s2 = FloatVector.zero(LANES);
        FloatVector s3 = FloatVector.zero(LANES);
        int i = 0;
        for (; i <= count - 32; i += 32) {
            s0 = FloatVector.fromArray(LANES, a, aAt + i).fma(FloatVector.fromArray(LANES, b, bAt + i), s0);
            s1 = FloatVector.fromArray(LANES, a, aAt + i + 8).fma(FloatVector.fromArray(LANES, b, bAt + i + 8), s1);
            s2 = FloatVector.fromArray(LANES, a, aAt + i + 16).fma(FloatVector.fromArray(LANES, b, bAt + i + 16), s2);
            s3 = FloatVector.fromArray(LANES, a, aAt + i + 24).fma(FloatVector.fromArray(LANES, b, bAt + i + 24), s3);
        }
        for (; i <= count - 8; i += 8) {
            s0 = FloatVector.fromArray(LANES, a, aAt + i).fma(FloatVector.fromArray(LANES, b, bAt + i), s0);
        }
        // Not reduceLanes(ADD): its order is another in the interpreter than in compiled code, and so are its bits.
        FloatVector all = s0.add(s1).add(s2.add(s3));
        float evens = (all.lane(0) + all.lane(4)) + (all.lane(2) + all.lane(6));
        float odds = (all.lane(1) + all.lane(5)) + (all.lane(3) + all.lane(7));
        float sum = evens + odds;
        for (; i < count; i++) {
            sum += a[aAt + i] * b[bAt + i];
        }
        return sum;
    }
}
