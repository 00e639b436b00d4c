package dev.quern.evaluation;

import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Chooses the next token from logits, in the order of llama-cli: penalties, top-k, top-p, min-p, temperature. The same
 * seed and logits give the same tokens (other ones than llama-cli's, whose generator is another).
 */
public final class Sampler {
    /**
     * @param temperature 0 takes the most probable token, whatever the others say
     * @param topK tokens that are left over; 0 for all
     * @param topP the least number of most probable tokens that have this probability together; 1 for all
     * @param minP a token's least probability, as a share of the largest; 0 for all
     * @param repeatPenalty what logits of recent tokens are divided by (multiplied with, where negative); 1 for none
     * @param repeatLast recent tokens that this concerns
     * @param seed of the choice
     */
    public record Options(
            double temperature, int topK, double topP, double minP, double repeatPenalty, int repeatLast, long seed) {
        public Options {
            if (!(temperature >= 0)
                    || topK < 0
                    || !(topP > 0 && topP <= 1)
                    || !(minP >= 0 && minP <= 1)
                    || !(repeatPenalty > 0)
                    || repeatLast < 0) {
                throw new IllegalArgumentException("temperature " + temperature + ", top k " + topK + ", top p " + topP
                        + ", min p " + minP + ", repeat penalty " + repeatPenalty + " over " + repeatLast);
            }
        }

        /** Always the most probable token. */
        public static final Options GREEDY = new Options(0, 0, 1, 0, 1, 0, 0);
    }

    private final Options options;
    private final SplittableRandom random;

    public Sampler(Options options) {
        this.options = options;
        this.random = new SplittableRandom(options.seed());
    }

    /**
     * @param logits one for each token; changed by the penalty
     * @param tokens all so far, of which the last {@link Options#repeatLast} are penalized
     */
    public int next(float[] logits, int[] tokens) {
        penalize(logits, tokens);
        if (options.temperature() == 0) {
            return LogProbabilities.indexOfMax(logits, 0, logits.length, Exponential.max(logits, 0, logits.length));
        }
        int[] order = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer token) -> logits[token])
                        .reversed())
                .mapToInt(Integer::intValue)
                .toArray();
        int left = options.topK() == 0 ? order.length : Math.min(options.topK(), order.length);
        double[] shares = softmax(logits, order, left, 1);
        left = enough(shares, left);
        while (left > 1 && shares[left - 1] < options.minP() * shares[0]) {
            left--;
        }
        return order[draw(softmax(logits, order, left, options.temperature()))];
    }

    private void penalize(float[] logits, int[] tokens) {
        if (options.repeatPenalty() == 1) {
            return;
        }
        float penalty = (float) options.repeatPenalty();
        int from = Math.max(0, tokens.length - options.repeatLast());
        IntStream.range(from, tokens.length).map(i -> tokens[i]).distinct().forEach(token -> {
            logits[token] = logits[token] <= 0 ? logits[token] * penalty : logits[token] / penalty;
        });
    }

    private static double[] softmax(float[] logits, int[] order, int count, double temperature) {
        double[] shares = new double[count];
        double sum = 0;
        for (int i = 0; i < count; i++) {
            shares[i] = Math.exp(((double) logits[order[i]] - logits[order[0]]) / temperature);
            sum += shares[i];
        }
        for (int i = 0; i < count; i++) {
            shares[i] /= sum;
        }
        return shares;
    }

    /** How many of the first tokens have the probability of top-p together. */
    private int enough(double[] shares, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += shares[i];
            if (sum >= options.topP()) {
                return i + 1;
            }
        }
        return count;
    }

    private int draw(double[] shares) {
        double left = random.nextDouble() * Arrays.stream(shares).sum();
        for (int i = 0; i < shares.length - 1; i++) {
            left -= shares[i];
            if (left < 0) {
                return i;
            }
        }
        return shares.length - 1;
    }
}
