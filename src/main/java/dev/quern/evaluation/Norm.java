package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import org.jspecify.annotations.Nullable;

/**
 * One normalization.
 *
 * @param kind null where a row stays as it is
 * @param weight one for each value, or empty for ones
 * @param bias one for each value, or empty
 */
@SuppressWarnings("ArrayRecordComponent")
record Norm(ForwardPass.@Nullable Norm kind, float[] weight, float[] bias, float epsilon) {
    static final Norm NONE = new Norm(null, new float[0], new float[0], 0);

    /** Normalizes rows {@code first .. first + count - 1} of {@code x} into the same rows of {@code y}. */
    void apply(Blocked x, int first, int count, Packed y, float[] row) {
        if (kind == ForwardPass.Norm.RMS && weight.length > 0) {
            RmsNorm.apply(x, weight, epsilon, first, count, y);
            return;
        }
        for (int i = first; i < first + count; i++) {
            x.read(i, 0, x.width(), row, 0);
            apply(row, 0, x.width());
            y.write(i, 0, x.width(), row, 0);
        }
    }

    /** Normalizes rows of {@code x} in place. */
    void apply(Blocked x, int first, int count, float[] row) {
        for (int i = first; i < first + count; i++) {
            x.read(i, 0, x.width(), row, 0);
            apply(row, 0, x.width());
            x.write(i, 0, x.width(), row, 0);
        }
    }

    /**
     * Normalizes runs of {@code length} values of rows in place: all runs with the same weights, or each with its own
     * where there are as many as a row has values.
     */
    void applyToRuns(Blocked x, int length, int first, int count, float[] row) {
        for (int i = first; i < first + count; i++) {
            x.read(i, 0, x.width(), row, 0);
            for (int at = 0; at < x.width(); at += length) {
                apply(row, at, length, weight.length == length ? 0 : at);
            }
            x.write(i, 0, x.width(), row, 0);
        }
    }

    /** Normalizes a row in place. */
    void apply(float[] row, int at, int count) {
        apply(row, at, count, 0);
    }

    private void apply(float[] row, int at, int count, int weightAt) {
        if (kind == null) {
            return;
        }
        switch (kind) {
            case RMS -> scale(row, at, count, (float) (1 / Math.sqrt(squares(row, at, count, 0) / count + epsilon)));
            case LAYER -> {
                double mean = sum(row, at, count) / count;
                float scale = (float) (1 / Math.sqrt(squares(row, at, count, mean) / count + epsilon));
                center(row, at, count, (float) mean);
                scale(row, at, count, scale);
            }
        }
        if (weight.length > 0) {
            multiply(row, at, count, weight, weightAt);
        }
        if (bias.length > 0) {
            add(row, at, count, bias, weightAt);
        }
    }

    private static double sum(float[] row, int at, int count) {
        double sum = 0;
        for (int i = at; i < at + count; i++) {
            sum += row[i];
        }
        return sum;
    }

    private static double squares(float[] row, int at, int count, double mean) {
        double sum = 0;
        for (int i = at; i < at + count; i++) {
            double centered = row[i] - mean;
            sum += centered * centered;
        }
        return sum;
    }

    private static void center(float[] row, int at, int count, float mean) {
        for (int i = at; i < at + count; i++) {
            row[i] -= mean;
        }
    }

    private static void scale(float[] row, int at, int count, float factor) {
        for (int i = at; i < at + count; i++) {
            row[i] *= factor;
        }
    }

    private static void multiply(float[] row, int at, int count, float[] weight, int weightAt) {
        for (int i = 0; i < count; i++) {
            row[at + i] *= weight[weightAt + i];
        }
    }

    private static void add(float[] row, int at, int count, float[] bias, int biasAt) {
        for (int i = 0; i < count; i++) {
            row[at + i] += bias[biasAt + i];
        }
    }
}
