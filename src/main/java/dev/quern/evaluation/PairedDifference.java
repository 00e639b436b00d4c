package dev.quern.evaluation;

import java.util.Optional;

/**
 * Which of two candidates is nearer to their base, and is that certain? Both saw the same windows, so each window gives
 * one difference and what windows have in common cancels.
 *
 * @param first index of a candidate
 * @param second index of another
 * @param divergence mean divergence of the first less that of the second, nats
 * @param divergenceInterval 95 %; empty where there are too few windows
 * @param logRatio ln(perplexity of the first / perplexity of the second)
 * @param logRatioInterval 95 %; empty where there are too few windows
 */
public record PairedDifference(
        int first,
        int second,
        double divergence,
        Optional<Interval> divergenceInterval,
        double logRatio,
        Optional<Interval> logRatioInterval) {

    static PairedDifference of(int first, Scores a, int second, Scores b, int windows, int perWindow) {
        double[] divergence = differences(a.divergence, b.divergence, windows, perWindow);
        double[] logRatio = differences(a.improbability, b.improbability, windows, perWindow);
        return new PairedDifference(
                first,
                second,
                mean(divergence),
                Bootstrap.ofMean(divergence),
                mean(logRatio),
                Bootstrap.ofMean(logRatio));
    }

    private static double[] differences(float[] a, float[] b, int windows, int perWindow) {
        double[] differences = Divergence.means(a, windows, perWindow);
        double[] less = Divergence.means(b, windows, perWindow);
        for (int window = 0; window < windows; window++) {
            differences[window] -= less[window];
        }
        return differences;
    }

    private static double mean(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return sum / values.length;
    }

    /** Whether the interval of the divergences' difference leaves no doubt which is smaller. */
    public boolean certain() {
        return divergenceInterval.isPresent() && divergenceInterval.get().excludes(0);
    }

    /** The candidate with the smaller divergence. */
    public int nearer() {
        return divergence <= 0 ? first : second;
    }
}
