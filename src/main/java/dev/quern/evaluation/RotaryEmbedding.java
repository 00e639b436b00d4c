package dev.quern.evaluation;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rotary position embedding of neighbouring elements: (x[2i], x[2i+1]) of a head is turned by position ·
 * base^(-2i/dimensions) · scale / factor[i]. Elements beyond {@code dimensions} stay as they are.
 */
final class RotaryEmbedding {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final VectorShuffle<Float> NEIGHBOURS = VectorShuffle.fromValues(LANES, 1, 0, 3, 2, 5, 4, 7, 6);

    private final int dimensions;
    /** One for each element; an even element's sine has its sign turned. */
    private final float[] cosines;

    private final float[] sines;

    /** @param factors one divisor for each pair ({@code rope_freqs.weight}), or empty */
    RotaryEmbedding(int positions, int dimensions, double base, double scale, float[] factors) {
        this.dimensions = dimensions;
        this.cosines = new float[Math.multiplyExact(positions, dimensions)];
        this.sines = new float[cosines.length];
        for (int pair = 0; pair < dimensions / 2; pair++) {
            double frequency =
                    Math.pow(base, -2.0 * pair / dimensions) * scale / (factors.length == 0 ? 1 : factors[pair]);
            for (int position = 0; position < positions; position++) {
                int even = position * dimensions + 2 * pair;
                cosines[even] = (float) Math.cos(position * frequency);
                cosines[even + 1] = cosines[even];
                sines[even + 1] = (float) Math.sin(position * frequency);
                sines[even] = -sines[even + 1];
            }
        }
    }

    /** Turns one head in place. */
    void rotate(float[] head, int at, int position) {
        rotate(head, at, cosines, sines, position * dimensions, dimensions);
    }

    private static void rotate(float[] head, int at, float[] cosines, float[] sines, int table, int count) {
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
}
