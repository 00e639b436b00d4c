package dev.quern.evaluation;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * e^x in float lanes, within 2 units in the last place of the true value. The Vector API's own EXP is another function
 * in the interpreter than in compiled code; this one gives the same bits in both.
 */
final class Exponential {
    static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    private static final float LOG2_E = 1.44269504088896341f;

    /** Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits of the sum. */
    private static final float ROUNDER = 12582912f;

    // ln 2 in two parts; the first has few bits, so that its product with an integer is exact (Cephes, expf).
    private static final float LN2_HIGH = 0.693359375f;
    private static final float LN2_LOW = -2.12194440e-4f;

    // Outside, 2^n has no normal float: e^-87 stands for everything below, e^88 for everything above.
    private static final float LEAST = -87f;
    private static final float GREATEST = 88f;

    private Exponential() {}

    /** Cephes' polynomial for e^r on |r| <= ln 2 / 2 (Moshier, expf). NaN stays NaN. */
    static FloatVector of(FloatVector x) {
        FloatVector clamped = x.max(LEAST).min(GREATEST);
        FloatVector shifted = clamped.fma(FloatVector.broadcast(LANES, LOG2_E), FloatVector.broadcast(LANES, ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r =
                n.fma(FloatVector.broadcast(LANES, -LN2_LOW), n.fma(FloatVector.broadcast(LANES, -LN2_HIGH), clamped));
        FloatVector p = FloatVector.broadcast(LANES, 1.9875691500e-4f)
                .fma(r, FloatVector.broadcast(LANES, 1.3981999507e-3f))
                .fma(r, FloatVector.broadcast(LANES, 8.3334519073e-3f))
                .fma(r, FloatVector.broadcast(LANES, 4.1665795894e-2f))
                .fma(r, FloatVector.broadcast(LANES, 1.6666665459e-1f))
                .fma(r, FloatVector.broadcast(LANES, 5.0000001201e-1f));
        FloatVector fraction = p.fma(r.mul(r), r).add(1f);
        return fraction.reinterpretAsInts()
                .add(shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                .reinterpretAsFloats();
    }

    /** The largest of {@code count} values; NaN when one is NaN. */
    static float max(float[] values, int at, int count) {
        FloatVector most = FloatVector.broadcast(LANES, Float.NEGATIVE_INFINITY);
        int i = 0;
        for (; i <= count - 8; i += 8) {
            most = FloatVector.fromArray(LANES, values, at + i).max(most);
        }
        float max = most.reduceLanes(VectorOperators.MAX);
        for (; i < count; i++) {
            max = Math.max(max, values[at + i]);
        }
        return max;
    }

    /**
     * Replaces {@code count} values by e^(value - max).
     *
     * @param lanes scratch for eight floats
     * @return their sum: eight float sums, every eighth value each, added in double
     */
    static double exponentiate(float[] values, int at, int count, float max, float[] lanes) {
        FloatVector sums = FloatVector.zero(LANES);
        int whole = count & -8;
        for (int i = 0; i < whole; i += 8) {
            FloatVector e = of(FloatVector.fromArray(LANES, values, at + i).sub(max));
            e.intoArray(values, at + i);
            sums = e.add(sums);
        }
        sums.intoArray(lanes, 0);
        double sum = 0;
        for (int lane = 0; lane < 8; lane++) {
            sum += lanes[lane];
        }
        if (whole < count) {
            System.arraycopy(values, at + whole, lanes, 0, count - whole);
            of(FloatVector.fromArray(LANES, lanes, 0).sub(max)).intoArray(lanes, 0);
            for (int i = whole; i < count; i++) {
                values[at + i] = lanes[i - whole];
                sum += lanes[i - whole];
            }
        }
        return sum;
    }

    /** {@code gate[i] = silu(gate[i]) · up[i]}, silu(x) = x / (1 + e^-x); {@code count} is a multiple of eight. */
    static void siluTimes(float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += 8) {
            FloatVector x = FloatVector.fromArray(LANES, gate, i);
            x.div(of(x.neg()).add(1f)).mul(FloatVector.fromArray(LANES, up, i)).intoArray(gate, i);
        }
    }
}
