package dev.quern.evaluation;

/**
 * Sums over scored positions, and llama-perplexity's formulas over the sums (tools/perplexity, {@code kl_divergence}):
 * products in float where the peer multiplies floats, sums in double.
 */
final class DivergenceSums {
    private final Moments candidate = new Moments();
    private final Moments base = new Moments();
    private final Moments divergence = new Moments();
    private final Moments change = new Moments();
    private final Moments squares = new Moments();
    private double products;
    private int same;
    private int count;

    /** @param baseImprobability -ln p(token) of the base at each position */
    void add(float[] baseImprobability, Scores scores, int from, int to) {
        for (int i = from; i < to; i++) {
            float nll = scores.improbability[i];
            float baseNll = baseImprobability[i];
            candidate.add(nll, nll * nll);
            base.add(baseNll, baseNll * baseNll);
            products += nll * baseNll;
            double d = scores.divergence[i];
            divergence.add(d, d * d);
            float dp = scores.probabilityChange[i];
            double square = dp * dp;
            change.add(dp, square);
            squares.add(square, square * square);
            same += scores.sameTop[i] ? 1 : 0;
        }
        count += to - from;
    }

    DivergenceEstimates estimates() {
        Estimate nll = candidate.mean(count);
        Estimate baseNll = base.mean(count);
        double covariance =
                count < 10 ? 0 : (products / count - candidate.sum / count * (base.sum / count)) / (count - 1);
        Estimate logRatio =
                new Estimate(nll.value() - baseNll.value(), differenceError(nll.error(), baseNll.error(), covariance));
        Estimate perplexity = exponential(nll);
        Estimate basePerplexity = exponential(baseNll);
        Estimate difference = new Estimate(
                perplexity.value() - basePerplexity.value(),
                differenceError(
                        perplexity.error(),
                        basePerplexity.error(),
                        perplexity.value() * basePerplexity.value() * covariance));
        Estimate square = squares.mean(count);
        double root = Math.sqrt(square.value());
        double share = (double) same / count;
        return new DivergenceEstimates(
                perplexity,
                basePerplexity,
                covariance == 0 ? 0 : covariance / (nll.error() * baseNll.error()),
                logRatio,
                exponential(logRatio),
                difference,
                divergence.mean(count),
                change.mean(count),
                new Estimate(root, root == 0 ? 0 : 0.5 / root * square.error()),
                new Estimate(share, count < 2 ? 0 : Math.sqrt(share * (1 - share) / (count - 1))),
                count);
    }

    private static Estimate exponential(Estimate exponent) {
        double value = Math.exp(exponent.value());
        return new Estimate(value, value * exponent.error());
    }

    /** Where the two are the same, rounding leaves a little below zero. */
    private static double differenceError(double a, double b, double covariance) {
        return Math.sqrt(Math.max(0, a * a + b * b - 2 * covariance));
    }

    private static final class Moments {
        private double sum;
        private double squares;

        void add(double value, double square) {
            sum += value;
            squares += square;
        }

        /** The peer gives no error for ten values or fewer. */
        Estimate mean(int count) {
            double mean = sum / count;
            double variance = squares / count - mean * mean;
            return new Estimate(mean, variance > 0 && count > 10 ? Math.sqrt(variance / (count - 1)) : 0);
        }
    }
}
