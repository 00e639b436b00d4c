package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rotary position embedding: pairs of a head's elements, (x[2i], x[2i+1]) or (x[i], x[i+dimensions/2]), are turned by
 * position · base^(-2i/dimensions) · scale / factor[i]. Elements beyond {@code dimensions} stay as they are.
 */
final class RotaryEmbedding {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final VectorShuffle<Float> NEIGHBOURS = VectorShuffle.fromValues(LANES, 1, 0, 3, 2, 5, 4, 7, 6);

    private final ForwardPass.Rope kind;
    private final int dimensions;
    /** For neighbours one for each element, an even element's sine with its sign turned; for halves one for each pair. */
    private final float[] cosines;

    private final float[] sines;

    /** @param factors one divisor for each pair ({@code rope_freqs.weight}), or empty */
    RotaryEmbedding(int positions, Hyperparameters.Rope rope, float[] factors) {
        this.kind = rope.kind();
        this.dimensions = rope.dimensions();
        int stride = kind == ForwardPass.Rope.HALF ? dimensions / 2 : dimensions;
        this.cosines = new float[Math.multiplyExact(positions, stride)];
        this.sines = new float[cosines.length];
        for (int pair = 0; pair < dimensions / 2; pair++) {
            double frequency = frequency(rope, pair, factors.length == 0 ? 1 : factors[pair]);
            for (int position = 0; position < positions; position++) {
                float cosine = (float) (Math.cos(position * frequency) * rope.magnitude());
                float sine = (float) (Math.sin(position * frequency) * rope.magnitude());
                if (kind == ForwardPass.Rope.HALF) {
                    cosines[position * stride + pair] = cosine;
                    sines[position * stride + pair] = sine;
                } else {
                    int even = position * stride + 2 * pair;
                    cosines[even] = cosine;
                    cosines[even + 1] = cosine;
                    sines[even + 1] = sine;
                    sines[even] = -sine;
                }
            }
        }
    }

    /** Radians from one position to the next; with YaRN (Peng et al. 2023) a blend of scaled and unscaled. */
    private static double frequency(Hyperparameters.Rope rope, int pair, double factor) {
        double plain = Math.pow(rope.base(), -2.0 * pair / rope.dimensions());
        double scaled = plain * rope.scale() / factor;
        if (rope.yarn() == 0) {
            return scaled;
        }
        double low = correction(rope, rope.betaFast());
        double high = correction(rope, rope.betaSlow());
        if (rope.truncated()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(0, low);
        high = Math.min(rope.dimensions() - 1, high);
        double ramp = Math.clamp((pair - low) / Math.max(0.001, high - low), 0, 1);
        double mix = (1 - ramp) * rope.yarn();
        return scaled * (1 - mix) + plain / factor * mix;
    }

    /** The pair that makes {@code turns} turns within the original context. */
    private static double correction(Hyperparameters.Rope rope, double turns) {
        return rope.dimensions()
                * Math.log(rope.originalContext() / (turns * 2 * Math.PI))
                / (2 * Math.log(rope.base()));
    }

    /** Turns one head in place. */
    void rotate(float[] head, int at, int position) {
        switch (kind) {
            case INTERLEAVED -> rotateNeighbours(head, at, cosines, sines, position * dimensions, dimensions);
            case HALF -> rotateHalves(head, at, cosines, sines, position * (dimensions / 2), dimensions / 2);
            case NONE -> {}
        }
    }

    private static void rotateNeighbours(float[] head, int at, float[] cosines, float[] sines, int table, int count) {
        int i = 0;
        for (; i <= count - 8; i += 8) {
            FloatVector x = FloatVector.fromArray(LANES, head, at + i);
            FloatVector turned = x.rearrange(NEIGHBOURS).mul(FloatVector.fromArray(LANES, sines, table + i));
            x.mul(FloatVector.fromArray(LANES, cosines, table + i)).add(turned).intoArray(head, at + i);
        }
        for (; i < count; i += 2) {
            float even = head[at + i];
            float odd = head[at + i + 1];
            head[at + i] = even * cosines[table + i] + odd * sines[table + i];
            head[at + i + 1] = odd * cosines[table + i + 1] + even * sines[table + i + 1];
        }
    }

    private static void rotateHalves(float[] head, int at, float[] cosines, float[] sines, int table, int half) {
        for (int i = 0; i < half; i++) {
            float first = head[at + i];
            float second = head[at + half + i];
            head[at + i] = first * cosines[table + i] - second * sines[table + i];
            head[at + half + i] = second * cosines[table + i] + first * sines[table + i];
        }
    }
}
