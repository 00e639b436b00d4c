package dev.quern.quantization.codes;

/**
 * Finds scale and minimum of a group: trial scales over the range of the values, each rounding with its least-squares
 * scale and minimum, and then those once more.
 */
final class OffsetFit {
    private static final int STEPS = 24;

    private final int count;
    private final float high;
    /** Whether a minimum lies below zero or is nothing: K types store its absolute value. */
    private final boolean belowZero;

    private final float[] moments = new float[3];
    private final float[] sums = new float[3];
    private float scale;
    private float minimum;
    private float trialScale;
    private float trialMinimum;

    OffsetFit(CodeForm form) {
        this.count = form.group();
        this.high = form.highestCode();
        this.belowZero = form.hasGroupScales();
    }

    float scale() {
        return scale;
    }

    /** What is taken away from scaled codes. */
    float minimum() {
        return minimum;
    }

    void fit(float[] x, int at, float[] w, int wAt) {
        float least = belowZero ? 0 : x[at];
        float most = x[at];
        for (int i = 0; i < count; i++) {
            least = Math.min(least, x[at + i]);
            most = Math.max(most, x[at + i]);
        }
        scale = 0;
        minimum = -least;
        if (most - least < 1e-15f) {
            return;
        }
        LevelSums.moments(x, at, w, wAt, count, moments);
        float best = Float.POSITIVE_INFINITY;
        // The least value may be clipped too, in quarters of a level.
        for (int clip = 0; clip < 3; clip++) {
            float from = least + clip * 0.25f * (most - least) / high;
            for (int i = 0; i < STEPS; i++) {
                float inverse = (high - 0.8f + i * (1.9f / STEPS)) / (most - from);
                best = tried(x, at, w, wAt, inverse, -from, best);
            }
        }
        for (int i = 0; i < 3 && scale > 0; i++) {
            float before = best;
            best = tried(x, at, w, wAt, 1 / scale, minimum, best);
            if (best >= before) {
                break;
            }
        }
    }

    private float tried(float[] x, int at, float[] w, int wAt, float inverse, float offset, float best) {
        LevelSums.offset(x, at, w, wAt, count, inverse, offset, high, sums);
        float error = leastSquares();
        if (error < best && trialScale > 0) {
            scale = trialScale;
            minimum = trialMinimum;
            return error;
        }
        return best;
    }

    /** The error with the best scale and minimum for the levels just measured. */
    private float leastSquares() {
        float weights = moments[0];
        float determinant = weights * sums[1] - sums[0] * sums[0];
        if (determinant <= 0) {
            trialScale = 0;
            return Float.POSITIVE_INFINITY;
        }
        trialScale = (weights * sums[2] - sums[0] * moments[1]) / determinant;
        trialMinimum = (trialScale * sums[0] - moments[1]) / weights;
        if (belowZero && trialMinimum < 0) {
            trialMinimum = 0;
            trialScale = sums[1] > 0 ? sums[2] / sums[1] : 0;
        }
        return moments[2]
                - 2 * trialScale * sums[2]
                + trialScale * trialScale * sums[1]
                + trialMinimum * (2 * moments[1] - 2 * trialScale * sums[0] + trialMinimum * weights);
    }

    float error(float[] x, int at, float[] w, int wAt, float withScale, float withMinimum) {
        return LevelSums.offsetError(x, at, w, wAt, count, withScale, withMinimum, high);
    }

    /** Sums of the levels that this scale and minimum choose: {@code Σ w l}, {@code Σ w l²}, {@code Σ w l x}. */
    float[] sums(float[] x, int at, float[] w, int wAt, float withScale, float withMinimum) {
        LevelSums.offset(x, at, w, wAt, count, withScale == 0 ? 0 : 1 / withScale, withMinimum, high, sums);
        return sums;
    }

    /** {@code Σ w}, {@code Σ w x} and {@code Σ w x²}. */
    float[] moments(float[] x, int at, float[] w, int wAt) {
        LevelSums.moments(x, at, w, wAt, count, moments);
        return moments;
    }
}
