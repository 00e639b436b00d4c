package dev.quern.evaluation;

/**
 * The 32-bit Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), with which llama-perplexity chooses tasks, and the
 * two ways in which it makes indices of its numbers.
 */
final class MersenneTwister {
    private static final int SIZE = 624;
    private static final int SHIFT = 397;

    private final int[] state = new int[SIZE];
    private int next = SIZE;

    MersenneTwister(int seed) {
        state[0] = seed;
        for (int i = 1; i < SIZE; i++) {
            state[i] = 1812433253 * (state[i - 1] ^ state[i - 1] >>> 30) + i;
        }
    }

    /** The next number, 0 to 2^32 - 1. */
    long next() {
        if (next == SIZE) {
            turn();
        }
        int y = state[next++];
        y ^= y >>> 11;
        y ^= y << 7 & 0x9d2c5680;
        y ^= y << 15 & 0xefc60000;
        y ^= y >>> 18;
        return y & 0xffffffffL;
    }

    private void turn() {
        for (int i = 0; i < SIZE; i++) {
            int y = state[i] & 0x80000000 | state[(i + 1) % SIZE] & 0x7fffffff;
            state[i] = state[(i + SHIFT) % SIZE] ^ y >>> 1 ^ ((y & 1) == 0 ? 0 : 0x9908b0df);
        }
        next = 0;
    }

    /**
     * 0 to {@code bound - 1} as {@code std::uniform_int_distribution} of GNU's library has it since GCC 11 (Lemire's
     * method); other libraries draw others.
     */
    long uniform(long bound) {
        long product = next() * bound;
        long low = product & 0xffffffffL;
        if (low < bound) {
            long threshold = (0x100000000L - bound) % bound;
            while (low < threshold) {
                product = next() * bound;
                low = product & 0xffffffffL;
            }
        }
        return product >>> 32;
    }

    /** 0 to {@code bound - 1} as a product in single precision. */
    int scaled(int bound) {
        float share = 0x1p-32f * next();
        return Math.min((int) (share * bound), bound - 1);
    }
}
