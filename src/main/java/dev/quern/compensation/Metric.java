package dev.quern.compensation;

import dev.quern.quantization.codes.LatticeForm;

/**
 * What errors of eight neighbouring values cost: {@code e M eᵀ}, and which eight values all other errors ask for.
 */
final class Metric {
    private static final int COUNT = LatticeForm.SIGNS;

    /** {@code M}, row by row. */
    final float[] square = new float[COUNT * COUNT];

    /** From what is owed to the values that it asks for, as {@link #answer} multiplies. */
    private final float[] inverse = new float[COUNT * COUNT];

    private final double[] work = new double[COUNT * COUNT];

    /** The eight's own moments, and what is owed counted as the moments count it. */
    void ofMoments(float[] moments, int stride, int first) {
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++) {
                square[i * COUNT + j] = moments[(first + i) * stride + first + j];
            }
        }
        invert();
    }

    /** {@code U D Uᵀ} of a factor's square; what is owed is then to be taken through {@code Uᵀ}. */
    void ofFactor(float[] upper, int stride, int first, float[] diagonal, int firstDiagonal) {
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++) {
                float sum = 0;
                for (int k = Math.max(i, j); k < COUNT; k++) {
                    float left = i == k ? 1 : upper[(first + i) * stride + first + k];
                    float right = j == k ? 1 : upper[(first + j) * stride + first + k];
                    sum += left * right * diagonal[firstDiagonal + k];
                }
                square[i * COUNT + j] = sum;
            }
        }
        for (int i = 0; i < COUNT; i++) {
            // Row i answers one unit that is owed at i.
            for (int j = 0; j < COUNT; j++) {
                float sum = i == j ? 1 : 0;
                for (int k = i; k < j; k++) {
                    sum -= inverse[i * COUNT + k] * upper[(first + k) * stride + first + j];
                }
                inverse[i * COUNT + j] = j < i ? 0 : sum;
            }
        }
    }

    /** Gauss and Jordan's way, without exchanges: the square is positive. */
    private void invert() {
        for (int i = 0; i < work.length; i++) {
            work[i] = square[i];
        }
        for (int p = 0; p < COUNT; p++) {
            double pivot = 1 / work[p * COUNT + p];
            work[p * COUNT + p] = 1;
            for (int j = 0; j < COUNT; j++) {
                work[p * COUNT + j] *= pivot;
            }
            for (int i = 0; i < COUNT; i++) {
                if (i != p) {
                    double factor = work[i * COUNT + p];
                    work[i * COUNT + p] = 0;
                    for (int j = 0; j < COUNT; j++) {
                        work[i * COUNT + j] -= factor * work[p * COUNT + j];
                    }
                }
            }
        }
        for (int i = 0; i < work.length; i++) {
            inverse[i] = (float) work[i];
        }
    }

    /** The eight values for which the error is least, if they were free. */
    void answer(float[] owed, int owedAt, float[] value, int valueAt, float[] wanted) {
        System.arraycopy(value, valueAt, wanted, 0, COUNT);
        for (int i = 0; i < COUNT; i++) {
            float own = owed[owedAt + i];
            for (int j = 0; j < COUNT; j++) {
                wanted[j] += own * inverse[i * COUNT + j];
            }
        }
    }

    /** By how much the error falls when values move, all others as they are. */
    float fall(float[] from, float[] to, float[] owed, int at) {
        float fall = 0;
        for (int i = 0; i < COUNT; i++) {
            float moved = to[at + i] - from[at + i];
            float sum = 0;
            for (int j = 0; j < COUNT; j++) {
                sum += square[i * COUNT + j] * (to[at + j] - from[at + j]);
            }
            fall += moved * (2 * owed[at + i] - sum);
        }
        return fall;
    }
}
