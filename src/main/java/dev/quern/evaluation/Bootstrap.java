package dev.quern.evaluation;

import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * How far a mean over windows would vary with other windows of the same kind: the percentile bootstrap (Efron 1979),
 * which draws as many windows as there are, with replacement, again and again. Tokens of one window depend on each
 * other, so windows are what is drawn. The same values and seed give the same interval.
 */
public final class Bootstrap {
    /** The seed of every interval that Quern prints. */
    public static final long SEED = 1;

    /** Fewer windows than this say nothing about how windows differ. */
    public static final int LEAST = 5;

    private static final int DRAWS = 10_000;

    private Bootstrap() {}

    /** The interval that 95 % of the resampled means lie in; empty for fewer than {@link #LEAST} values. */
    public static Optional<Interval> ofMean(double[] values) {
        if (values.length < LEAST) {
            return Optional.empty();
        }
        SplittableRandom random = new SplittableRandom(SEED);
        double[] means = new double[DRAWS];
        for (int draw = 0; draw < DRAWS; draw++) {
            double sum = 0;
            for (int i = 0; i < values.length; i++) {
                sum += values[random.nextInt(values.length)];
            }
            means[draw] = sum / values.length;
        }
        Arrays.sort(means);
        return Optional.of(new Interval(quantile(means, 0.025), quantile(means, 0.975)));
    }

    private static double quantile(double[] sorted, double fraction) {
        double at = fraction * (sorted.length - 1);
        int below = (int) at;
        double part = at - below;
        return (1 - part) * sorted[below] + part * sorted[Math.min(below + 1, sorted.length - 1)];
    }
}
