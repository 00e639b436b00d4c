package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The feed-forward network's activations, in place over what one panel has given. */
final class Activations {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    private static final float TWICE_SQRT_2_OVER_PI = 1.5957691216057308f;
    private static final float CUBIC = 0.044715f;

    // Abramowitz and Stegun, 7.1.26: erfc(z) = (a1 t + … + a5 t^5) e^(-z²) within 1.5e-7, t = 1 / (1 + p z).
    private static final float P = 0.3275911f;
    private static final float[] A = {0.254829592f, -0.284496736f, 1.421413741f, -1.453152027f, 1.061405429f};

    /** gpt-oss's slope and limit. */
    private static final float SLOPE = 1.702f;

    private static final float LIMIT = 7;

    private Activations() {}

    /**
     * @param gate becomes the result; without a gate what {@code up(x)} gave
     * @param up of gated activations
     * @param count a multiple of eight
     */
    static void apply(Activation activation, float[] gate, float[] up, int count) {
        switch (activation) {
            case SILU_GATED -> Exponential.siluTimes(gate, up, count);
            case GELU_GATED -> {
                gelu(gate, count);
                multiply(gate, up, count);
            }
            case SILU_CLAMPED_GATED -> siluClamped(gate, up, count);
            case SILU -> silu(gate, count);
            case GELU -> gelu(gate, count);
            case GELU_ERF -> geluErf(gate, count);
            case RELU -> relu(gate, count);
            case RELU_SQUARED -> reluSquared(gate, count);
        }
    }

    private static void multiply(float[] x, float[] by, int count) {
        for (int i = 0; i < count; i++) {
            x[i] *= by[i];
        }
    }

    private static void silu(float[] values, int count) {
        for (int i = 0; i < count; i += 8) {
            FloatVector x = FloatVector.fromArray(LANES, values, i);
            x.div(Exponential.of(x.neg()).add(1f)).intoArray(values, i);
        }
    }

    private static void gelu(float[] values, int count) {
        for (int i = 0; i < count; i += 8) {
            FloatVector x = FloatVector.fromArray(LANES, values, i);
            FloatVector u = x.mul(x).mul(CUBIC).add(1f).mul(x).mul(-TWICE_SQRT_2_OVER_PI);
            x.div(Exponential.of(u).add(1f)).intoArray(values, i);
        }
    }

    private static void geluErf(float[] values, int count) {
        for (int i = 0; i < count; i += 8) {
            FloatVector x = FloatVector.fromArray(LANES, values, i);
            FloatVector z = x.abs().mul(0.70710678118654752f);
            FloatVector t = z.mul(P).add(1f);
            t = FloatVector.broadcast(LANES, 1f).div(t);
            FloatVector rest = t.mul(A[4])
                    .add(A[3])
                    .mul(t)
                    .add(A[2])
                    .mul(t)
                    .add(A[1])
                    .mul(t)
                    .add(A[0])
                    .mul(t);
            FloatVector half = rest.mul(Exponential.of(z.mul(z).neg())).mul(x).mul(0.5f);
            // x Φ(x) is half of x times erfc where x is negative, and x less half of x times erfc where it is not.
            FloatVector positive = x.sub(half);
            half.blend(positive, x.compare(jdk.incubator.vector.VectorOperators.GE, 0f))
                    .intoArray(values, i);
        }
    }

    private static void relu(float[] values, int count) {
        for (int i = 0; i < count; i++) {
            values[i] = Math.max(values[i], 0);
        }
    }

    private static void reluSquared(float[] values, int count) {
        for (int i = 0; i < count; i++) {
            float x = Math.max(values[i], 0);
            values[i] = x * x;
        }
    }

    private static void siluClamped(float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += 8) {
            FloatVector g = FloatVector.fromArray(LANES, gate, i).min(LIMIT);
            FloatVector u = FloatVector.fromArray(LANES, up, i).min(LIMIT).max(-LIMIT);
            g.div(Exponential.of(g.mul(-SLOPE)).add(1f)).mul(u.add(1f)).intoArray(gate, i);
        }
    }

    /** {@code cap · tanh(x / cap)}; {@code count} values from {@code at} on, {@code lanes} is scratch for eight. */
    static void cap(float[] values, int at, int count, float cap, float[] lanes) {
        int whole = count & -8;
        for (int i = 0; i < whole; i += 8) {
            capped(values, at + i, cap);
        }
        if (whole < count) {
            System.arraycopy(values, at + whole, lanes, 0, count - whole);
            capped(lanes, 0, cap);
            System.arraycopy(lanes, 0, values, at + whole, count - whole);
        }
    }

    /** tanh(y) = 1 - 2 / (e^(2 y) + 1). */
    private static void capped(float[] values, int at, float cap) {
        FloatVector x = FloatVector.fromArray(LANES, values, at);
        FloatVector e = Exponential.of(x.mul(2 / cap)).add(1f);
        FloatVector.broadcast(LANES, 1f)
                .sub(FloatVector.broadcast(LANES, 2f).div(e))
                .mul(cap)
                .intoArray(values, at);
    }

    static void scale(float[] values, int at, int count, float factor) {
        for (int i = at; i < at + count; i++) {
            values[i] *= factor;
        }
    }
}
