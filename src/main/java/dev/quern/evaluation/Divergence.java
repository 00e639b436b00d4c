package dev.quern.evaluation;

import java.util.Optional;

/**
 * A candidate beside its base: means with their errors, how single positions are spread, and intervals that take
 * windows, not tokens, as independent ({@link Bootstrap}).
 *
 * @param divergences Kullback-Leibler divergences of single positions, nats
 * @param probabilityChanges q(token) - p(token) of single positions
 * @param logRatioInterval 95 %; empty where there are too few windows
 * @param divergenceInterval 95 %; empty where there are too few windows
 */
public record Divergence(
        DivergenceEstimates estimates,
        Percentiles divergences,
        Percentiles probabilityChanges,
        Optional<Interval> logRatioInterval,
        Optional<Interval> divergenceInterval) {

    static Divergence of(float[] baseImprobability, Scores scores, int windows, int perWindow) {
        int count = windows * perWindow;
        DivergenceSums sums = new DivergenceSums();
        sums.add(baseImprobability, scores, 0, count);
        double[] logRatios = means(scores.improbability, windows, perWindow);
        double[] baseMeans = means(baseImprobability, windows, perWindow);
        for (int window = 0; window < windows; window++) {
            logRatios[window] -= baseMeans[window];
        }
        return new Divergence(
                sums.estimates(),
                new Percentiles(scores.divergence, count),
                new Percentiles(scores.probabilityChange, count),
                Bootstrap.ofMean(logRatios),
                Bootstrap.ofMean(means(scores.divergence, windows, perWindow)));
    }

    static double[] means(float[] values, int windows, int perWindow) {
        double[] means = new double[windows];
        for (int window = 0; window < windows; window++) {
            double sum = 0;
            for (int i = window * perWindow; i < (window + 1) * perWindow; i++) {
                sum += values[i];
            }
            means[window] = sum / perWindow;
        }
        return means;
    }
}
