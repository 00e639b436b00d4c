package dev.quern.allocation;

import dev.quern.quantization.QuantType;

/**
 * A type that a tensor may get.
 *
 * @param bytes what it takes in the file, padding included
 * @param divergence what it costs: the mean Kullback-Leibler divergence, nats, of the model in which this tensor alone
 *     has this type
 */
public record Candidate(QuantType type, long bytes, double divergence) {
    public Candidate {
        if (bytes < 0 || !(divergence >= 0) || divergence == Double.POSITIVE_INFINITY) {
            throw new IllegalArgumentException(type + ": " + bytes + " bytes, divergence " + divergence);
        }
    }
}
