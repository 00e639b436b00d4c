package dev.quern.quantization.codes;

/**
 * Finds scales of types without minima: the weighted squared error is least for the scale of some rounding of the
 * values, so roundings are tried over the whole range where they can be good, from both ends of the asymmetric range of
 * levels, and each is given its least-squares scale (quantizers of ggml try 19 from one end).
 */
final class EvenFit {
    /** Largest level, from which trial scales go down to about half, and a little up. */
    private final float extreme;

    private final float step;
    private final int steps;
    private final CodeForm form;
    private final float low;
    private final float high;
    private final float[] sums = new float[2];

    EvenFit(CodeForm form) {
        this.form = form;
        this.low = form.level(form.lowestCode());
        this.high = form.level(form.highestCode());
        this.extreme = Math.max(-low, high);
        // Fine enough that the largest value's neighbours are met one by one; the more levels, the less clipping pays.
        float span =
                form.isUneven() ? 0.5f : extreme <= 8 ? 0.5f : extreme <= 16 ? 0.3f : extreme <= 32 ? 0.15f : 0.04f;
        this.steps = form.isUneven() || extreme <= 16 ? 36 : 20;
        this.step = extreme * (span + 0.1f) / steps;
    }

    /** Weighted products and squares of the levels for a scale; the first is {@code Σ w l x}, the second {@code Σ w l²}. */
    private void measure(float[] x, int at, float[] w, int wAt, float inverse) {
        if (form.isUneven()) {
            LevelSums.uneven(x, at, w, wAt, form.group(), inverse, sums);
        } else {
            LevelSums.even(x, at, w, wAt, form.group(), inverse, low, high, sums);
        }
    }

    /** The best scale of one group, of either sign; 0 for a group of zeros. */
    float scale(float[] x, int at, float[] w, int wAt) {
        float magnitude = 0;
        for (int i = 0; i < form.group(); i++) {
            magnitude = Math.max(magnitude, Math.abs(x[at + i]));
        }
        if (magnitude < 1e-15f) {
            return 0;
        }
        float scale = 0;
        float best = 0;
        float from = extreme * 1.1f / magnitude;
        float by = step / magnitude;
        for (int i = 0; i < steps; i++) {
            for (int sign = 0; sign < 2; sign++) {
                float inverse = from - i * by;
                measure(x, at, w, wAt, sign == 0 ? inverse : -inverse);
                if (sums[1] > 0 && sums[0] * sums[0] > best * sums[1]) {
                    best = sums[0] * sums[0] / sums[1];
                    scale = sums[0] / sums[1];
                }
            }
        }
        for (int i = 0; i < 2 && scale != 0; i++) {
            measure(x, at, w, wAt, 1 / scale);
            if (sums[1] > 0 && sums[0] * sums[0] > best * sums[1]) {
                best = sums[0] * sums[0] / sums[1];
                scale = sums[0] / sums[1];
            }
        }
        return scale;
    }

    /** What a group's error falls by, against zeros, with this very scale and the levels nearest for it. */
    float gain(float[] x, int at, float[] w, int wAt, float scale) {
        if (scale == 0) {
            return 0;
        }
        measure(x, at, w, wAt, 1 / scale);
        return scale * (2 * sums[0] - scale * sums[1]);
    }

    /** Of the last {@link #gain}: {@code Σ w l x}. */
    float products() {
        return sums[0];
    }

    /** Of the last {@link #gain}: {@code Σ w l²}. */
    float squares() {
        return sums[1];
    }
}
