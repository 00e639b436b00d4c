package dev.quern.evaluation;

/**
 * How far a candidate is from its base over some positions; errors are standard errors with the positions taken as
 * independent.
 *
 * @param perplexity of the candidate
 * @param basePerplexity of the base
 * @param correlation of the two models' -ln p(token), 1 at most
 * @param logRatio ln(candidate's perplexity / base's); its error allows for the correlation
 * @param ratio of the perplexities
 * @param difference of the perplexities
 * @param divergence mean Kullback-Leibler divergence of the candidate from the base, nats
 * @param probabilityChange mean of q(token) - p(token)
 * @param rootMeanSquareChange of q(token) - p(token)
 * @param sameTop share of positions where both find the same token the most probable
 * @param scored positions
 */
public record DivergenceEstimates(
        Estimate perplexity,
        Estimate basePerplexity,
        double correlation,
        Estimate logRatio,
        Estimate ratio,
        Estimate difference,
        Estimate divergence,
        Estimate probabilityChange,
        Estimate rootMeanSquareChange,
        Estimate sameTop,
        int scored) {}
