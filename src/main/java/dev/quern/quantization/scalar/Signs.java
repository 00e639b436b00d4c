package dev.quern.quantization.scalar;

/** Splits groups of eight values into magnitudes and sign bits. */
final class Signs {
    private Signs() {}

    /** Bit i of the result is set where value i is negative; -0 is not. */
    static int split(float[] row, int from, float[] x, int group) {
        int signs = 0;
        for (int i = 0; i < 8; i++) {
            float value = row[from + 8 * group + i];
            boolean negative = !(value >= 0);
            x[8 * group + i] = negative ? -value : value;
            signs |= negative ? 1 << i : 0;
        }
        return signs;
    }

    /**
     * As {@link #split}, but for formats that keep seven of the eight bits, the last being their parity. Where the
     * number of minus signs is odd, the value that matters least gets the wrong one, and its magnitude is negated.
     */
    static int splitEven(float[] row, int from, float[] weight, float[] x, int group) {
        int signs = split(row, from, x, group);
        if (Integer.bitCount(signs) % 2 == 1) {
            int least = 0;
            float smallest = Float.POSITIVE_INFINITY;
            for (int i = 0; i < 8; i++) {
                float value = row[from + 8 * group + i];
                float loss = weight[8 * group + i] * value * value;
                if (i == 0 || loss < smallest) {
                    smallest = loss;
                    least = i;
                }
            }
            x[8 * group + least] = -x[8 * group + least];
            signs ^= 1 << least;
        }
        return signs & 127;
    }

    /** All eight sign bits of the seven that are kept. */
    static int unpackEven(int sevenBits) {
        return sevenBits | (Integer.bitCount(sevenBits) & 1) << 7;
    }
}
