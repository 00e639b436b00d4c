package dev.quern.allocation;

import java.util.List;

/**
 * A type for each tensor.
 *
 * @param chosen one candidate of each choice, in order
 * @param bytes of all together
 * @param divergence of all together: divergences of single tensors add up, nearly (they are second-order terms around
 *     the same point, with errors that know nothing of each other)
 * @param leastDivergence what no allocation of the same bytes can be below; proven
 * @param price what a byte more is worth at the margin, nats: the multiplier of the relaxed problem, 0 where every tensor
 *     has what is best for it
 */
public record Allocation(List<Candidate> chosen, long bytes, double divergence, double leastDivergence, double price) {
    public Allocation {
        chosen = List.copyOf(chosen);
    }

    /** By how much this may at most be worse than the best there is, as a share; 0 when it is the best. */
    public double gap() {
        return divergence <= leastDivergence ? 0 : (divergence - leastDivergence) / divergence;
    }
}
