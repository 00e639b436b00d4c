package dev.quern.compensation;

import dev.quern.evaluation.gemm.Packed;
import java.util.Random;

/** Random inputs of a layer whose columns depend on each other, as those of real layers do. */
final class Inputs {
    private Inputs() {}

    /** Columns with moments of their own that follow a few hidden directions, and some noise. */
    static float[][] correlated(int tokens, int width, long seed) {
        Random random = new Random(seed);
        int hidden = Math.max(2, width / 8);
        float[][] mixing = new float[hidden][width];
        for (float[] row : mixing) {
            for (int i = 0; i < width; i++) {
                row[i] = (float) random.nextGaussian();
            }
        }
        float[] sizes = new float[width];
        for (int i = 0; i < width; i++) {
            sizes[i] = (float) Math.exp(random.nextGaussian());
        }
        float[][] rows = new float[tokens][width];
        for (float[] row : rows) {
            for (int h = 0; h < hidden; h++) {
                float amount = (float) random.nextGaussian();
                for (int i = 0; i < width; i++) {
                    row[i] += amount * mixing[h][i];
                }
            }
            for (int i = 0; i < width; i++) {
                row[i] = sizes[i] * (row[i] + 0.5f * (float) random.nextGaussian());
            }
        }
        return rows;
    }

    /** The same with some noise on top, as another model would bring them. */
    static float[][] disturbed(float[][] rows, double by, long seed) {
        Random random = new Random(seed);
        float[][] out = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            out[i] = rows[i].clone();
            for (int j = 0; j < out[i].length; j++) {
                out[i][j] += (float) (by * random.nextGaussian() * (Math.abs(rows[i][j]) + 0.1));
            }
        }
        return out;
    }

    static Packed packed(float[][] rows) {
        int width = rows[0].length;
        Packed packed = new Packed(rows.length, width, new float[Packed.size(rows.length, width)]);
        for (int i = 0; i < rows.length; i++) {
            packed.write(i, 0, width, rows[i], 0);
        }
        return packed;
    }

    /** {@code Σ left_i · right_j}. */
    static double[][] products(float[][] left, float[][] right) {
        double[][] sums = new double[left[0].length][right[0].length];
        for (int token = 0; token < left.length; token++) {
            for (int i = 0; i < sums.length; i++) {
                for (int j = 0; j < sums[i].length; j++) {
                    sums[i][j] += (double) left[token][i] * right[token][j];
                }
            }
        }
        return sums;
    }

    /** Solves {@code x A = b} by elimination with pivots; {@code A} is untouched. */
    static double[] solve(double[][] a, double[] b) {
        int n = b.length;
        // Aᵀ xᵀ = bᵀ.
        double[][] m = new double[n][n + 1];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                m[i][j] = a[j][i];
            }
            m[i][n] = b[i];
        }
        for (int k = 0; k < n; k++) {
            int pivot = k;
            for (int i = k + 1; i < n; i++) {
                pivot = Math.abs(m[i][k]) > Math.abs(m[pivot][k]) ? i : pivot;
            }
            double[] swapped = m[k];
            m[k] = m[pivot];
            m[pivot] = swapped;
            for (int i = k + 1; i < n; i++) {
                double factor = m[i][k] / m[k][k];
                for (int j = k; j <= n; j++) {
                    m[i][j] -= factor * m[k][j];
                }
            }
        }
        double[] x = new double[n];
        for (int i = n - 1; i >= 0; i--) {
            double sum = m[i][n];
            for (int j = i + 1; j < n; j++) {
                sum -= m[i][j] * x[j];
            }
            x[i] = sum / m[i][i];
        }
        return x;
    }
}
