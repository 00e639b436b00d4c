package dev.quern.tensor;

import java.util.Optional;

/**
 * A weight with a low-rank update: W + s·L·R, computed by rows in float. With magnitudes (DoRA) each row of the sum is
 * scaled so that its Euclidean length is the row's magnitude.
 *
 * @param base W, rows × columns
 * @param left L, rows × rank
 * @param right R, rank × columns
 * @param scale s
 * @param magnitudes one for each row, or none
 */
public record LowRankSum(
        TensorInfo info,
        TensorSource base,
        TensorSource left,
        TensorSource right,
        float scale,
        Optional<TensorSource> magnitudes)
        implements TensorSource {
    public LowRankSum {
        Shape shape = base.info().shape();
        Shape l = left.info().shape();
        Shape r = right.info().shape();
        if (shape.rank() != 2
                || l.rank() != 2
                || r.rank() != 2
                || l.dim(0) != shape.dim(0)
                || r.dim(1) != shape.dim(1)
                || l.dim(1) != r.dim(0)) {
            throw new IllegalArgumentException(l + " times " + r + " is not " + shape);
        }
    }

    @Override
    public void readRows(long first, int count, float[] out, int at) {
        int columns = Math.toIntExact(info.shape().rowLength());
        int rank = Math.toIntExact(right.info().shape().dim(0));
        float[] factors = new float[count * rank];
        float[] direction = new float[columns];
        // The update is summed by itself: added to W one direction at a time, it would be rounded to W's size each
        // time.
        float[] update = new float[count * columns];
        left.readRows(first, count, factors, 0);
        for (int k = 0; k < rank; k++) {
            right.readRows(k, 1, direction, 0);
            for (int row = 0; row < count; row++) {
                accumulate(factors[row * rank + k], direction, update, row * columns, columns);
            }
        }
        base.readRows(first, count, out, at);
        for (int i = 0; i < count * columns; i++) {
            out[at + i] += scale * update[i];
        }
        if (magnitudes.isPresent()) {
            rescale(magnitudes.get(), first, count, columns, out, at);
        }
    }

    private static void accumulate(float factor, float[] direction, float[] update, int at, int columns) {
        for (int i = 0; i < columns; i++) {
            update[at + i] += factor * direction[i];
        }
    }

    private static void rescale(TensorSource magnitudes, long first, int count, int columns, float[] out, int at) {
        float[] all = new float[Math.toIntExact(magnitudes.info().shape().elements())];
        magnitudes.readRows(0, Math.toIntExact(magnitudes.info().shape().rows()), all, 0);
        for (int row = 0; row < count; row++) {
            int begin = at + row * columns;
            double sum = 0;
            for (int i = begin; i < begin + columns; i++) {
                sum += (double) out[i] * out[i];
            }
            float factor = (float) (all[(int) first + row] / Math.sqrt(sum));
            for (int i = begin; i < begin + columns; i++) {
                out[i] *= factor;
            }
        }
    }
}
