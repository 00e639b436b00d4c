package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;

/** y = x / sqrt(mean(x²) + epsilon) · weight, row by row. */
final class RmsNorm {
    private RmsNorm() {}

    /** Normalizes rows {@code first .. first + count - 1} of {@code x} into the same rows of {@code y}. */
    static void apply(Blocked x, float[] weight, float epsilon, int first, int count, Blocked y) {
        for (int row = first; row < first + count; row++) {
            double sum = 0;
            for (int block = 0; block < x.blocks(); block++) {
                sum += squares(x.values(), x.at(block, row), x.blockWidth(block));
            }
            float scale = (float) (1 / Math.sqrt(sum / x.width() + epsilon));
            for (int block = 0; block < x.blocks(); block++) {
                scale(
                        x.values(),
                        x.at(block, row),
                        x.blockWidth(block),
                        scale,
                        weight,
                        block * Blocked.BLOCK,
                        y.values(),
                        y.at(block, row));
            }
        }
    }

    /** Four double sums, because one would wait for its own last addition. */
    private static double squares(float[] x, int at, int count) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int i = at;
        for (; i <= at + count - 4; i += 4) {
            s0 += (double) x[i] * x[i];
            s1 += (double) x[i + 1] * x[i + 1];
            s2 += (double) x[i + 2] * x[i + 2];
            s3 += (double) x[i + 3] * x[i + 3];
        }
        for (; i < at + count; i++) {
            s0 += (double) x[i] * x[i];
        }
        return (s0 + s1) + (s2 + s3);
    }

    private static void scale(
            float[] x, int xAt, int count, float scale, float[] weight, int weightAt, float[] y, int yAt) {
        for (int i = 0; i < count; i++) {
            y[yAt + i] = x[xAt + i] * scale * weight[weightAt + i];
        }
    }
}
