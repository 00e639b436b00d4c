package dev.quern.evaluation;

/**
 * Rotary position embedding of neighbouring elements: (x[2i], x[2i+1]) of a head is turned by position ·
 * base^(-2i/dimensions) · scale / factor[i]. Elements beyond {@code dimensions} stay as they are.
 */
final class RotaryEmbedding {
    private final int pairs;
    private final float[] cosines;
    private final float[] sines;

    /** @param factors one divisor for each pair ({@code rope_freqs.weight}), or empty */
    RotaryEmbedding(int positions, int dimensions, double base, double scale, float[] factors) {
        this.pairs = dimensions / 2;
        this.cosines = new float[Math.multiplyExact(positions, pairs)];
        this.sines = new float[cosines.length];
        for (int pair = 0; pair < pairs; pair++) {
            double frequency =
                    Math.pow(base, -2.0 * pair / dimensions) * scale / (factors.length == 0 ? 1 : factors[pair]);
            for (int position = 0; position < positions; position++) {
                cosines[position * pairs + pair] = (float) Math.cos(position * frequency);
                sines[position * pairs + pair] = (float) Math.sin(position * frequency);
            }
        }
    }

    /** Turns one head in place. */
    void rotate(float[] head, int at, int position) {
        rotate(head, at, cosines, sines, position * pairs, pairs);
    }

    private static void rotate(float[] head, int at, float[] cosines, float[] sines, int table, int pairs) {
        for (int pair = 0; pair < pairs; pair++) {
            float even = head[at + 2 * pair];
            float odd = head[at + 2 * pair + 1];
            float cos = cosines[table + pair];
            float sin = sines[table + pair];
            head[at + 2 * pair] = even * cos - odd * sin;
            head[at + 2 * pair + 1] = even * sin + odd * cos;
        }
    }
}
