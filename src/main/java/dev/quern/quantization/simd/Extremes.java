package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Extremes of 32 values, found in any order: only which of two equal ones came first needs a second look. */
final class Extremes {
    private static final int SIGN = 0x80000000;

    private Extremes() {}

    /** The largest magnitude. */
    static float magnitude(float[] x, int from) {
        IntVector a = FloatVector.fromArray(FLOATS, x, from).reinterpretAsInts().and(~SIGN);
        IntVector b =
                FloatVector.fromArray(FLOATS, x, from + 8).reinterpretAsInts().and(~SIGN);
        IntVector c =
                FloatVector.fromArray(FLOATS, x, from + 16).reinterpretAsInts().and(~SIGN);
        IntVector d =
                FloatVector.fromArray(FLOATS, x, from + 24).reinterpretAsInts().and(~SIGN);
        return Float.intBitsToFloat(a.max(b).max(c.max(d)).reduceLanes(VectorOperators.MAX));
    }

    /** The value of largest magnitude, the first of equals; 0 for none. */
    static float extreme(float[] x, int from) {
        // As ints, floats of one sign are in the order of their magnitudes, above all of the other sign.
        int above = largest(x, from, 0);
        int below = largest(x, from, SIGN);
        if (Math.max(above, below) == 0) {
            return 0;
        }
        if (above == below) {
            return firstOf(x, from, Float.intBitsToFloat(above));
        }
        // Chosen as ints, because x86 has a conditional move for those and which sign wins cannot be predicted.
        return Float.intBitsToFloat(above > below ? above : below | SIGN);
    }

    private static int largest(float[] x, int from, int sign) {
        IntVector a = FloatVector.fromArray(FLOATS, x, from).reinterpretAsInts().lanewise(VectorOperators.XOR, sign);
        IntVector b =
                FloatVector.fromArray(FLOATS, x, from + 8).reinterpretAsInts().lanewise(VectorOperators.XOR, sign);
        IntVector c =
                FloatVector.fromArray(FLOATS, x, from + 16).reinterpretAsInts().lanewise(VectorOperators.XOR, sign);
        IntVector d =
                FloatVector.fromArray(FLOATS, x, from + 24).reinterpretAsInts().lanewise(VectorOperators.XOR, sign);
        return a.max(b).max(c.max(d)).reduceLanes(VectorOperators.MAX);
    }

    private static float firstOf(float[] x, int from, float magnitude) {
        int i = from;
        while (Math.abs(x[i]) != magnitude) {
            i++;
        }
        return x[i];
    }

    /** The least value, of zeros the first. */
    static float least(float[] x, int from) {
        int above = largest(x, from, SIGN);
        // No negative value: then the least magnitude decides.
        float least = above >= 0 ? -Float.intBitsToFloat(above) : Float.intBitsToFloat(smallest(x, from));
        return least == 0 ? firstOf(x, from, 0) : least;
    }

    /** The largest value; of zeros any. */
    static float most(float[] x, int from) {
        int above = largest(x, from, 0);
        return above >= 0 ? Float.intBitsToFloat(above) : Float.intBitsToFloat(smallest(x, from) | SIGN);
    }

    /** The bits of the smallest magnitude. */
    private static int smallest(float[] x, int from) {
        IntVector a = FloatVector.fromArray(FLOATS, x, from).reinterpretAsInts().and(~SIGN);
        IntVector b =
                FloatVector.fromArray(FLOATS, x, from + 8).reinterpretAsInts().and(~SIGN);
        IntVector c =
                FloatVector.fromArray(FLOATS, x, from + 16).reinterpretAsInts().and(~SIGN);
        IntVector d =
                FloatVector.fromArray(FLOATS, x, from + 24).reinterpretAsInts().and(~SIGN);
        return a.min(b).min(c.min(d)).reduceLanes(VectorOperators.MIN);
    }
}
