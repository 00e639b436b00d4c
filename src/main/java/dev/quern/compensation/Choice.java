package dev.quern.compensation;

/**
 * What became of one tensor.
 *
 * @param reference squared error of the layer's outputs on text that nothing was fitted to, with the codes of the
 *     reference method, as a part of the outputs' own squares
 * @param compensated the same with the codes that were chosen together
 * @param damping the part of the mean moment that was added to the diagonal
 */
public record Choice(double reference, double compensated, double damping) {
    /** Whether the codes chosen together are better, and so are the ones that stay. */
    public boolean isKept() {
        return compensated < reference;
    }
}
