package dev.quern.quantization.simd;

import dev.quern.quantization.scalar.ScalarCodec;

/** Sums of squares, each added in order; four at a time, because one addition waits for the last. */
final class SumsOfSquares {
    private SumsOfSquares() {}

    /** @param count how many stretches of {@code n} values there are, one after the other */
    static void of(float[] x, int from, int n, int count, float[] sums) {
        int done = 0;
        for (; done + 4 <= count; done += 4) {
            int at = from + done * n;
            float a = 0;
            float b = 0;
            float c = 0;
            float d = 0;
            for (int i = at; i < at + n; i++) {
                a += x[i] * x[i];
                b += x[i + n] * x[i + n];
                c += x[i + 2 * n] * x[i + 2 * n];
                d += x[i + 3 * n] * x[i + 3 * n];
            }
            sums[done] = a;
            sums[done + 1] = b;
            sums[done + 2] = c;
            sums[done + 3] = d;
        }
        for (; done < count; done++) {
            sums[done] = ScalarCodec.sumOfSquares(x, from + done * n, n);
        }
    }
}
