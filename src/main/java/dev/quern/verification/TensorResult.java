package dev.quern.verification;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import org.jspecify.annotations.Nullable;

/**
 * What the comparison of one tensor came to.
 *
 * @param blocks blocks that could be compared with the reference's; single values where the type has no blocks
 * @param differing how many of them differ
 * @param rmse root of the mean squared error against the source
 * @param referenceRmse the same of the reference's encoding; 0 when there was none to compare with
 * @param largestError in the weights' own unit
 * @param cosine of the angle between file and source; 1 for equal directions
 * @param problem one line, or null when all is well
 */
public record TensorResult(
        String name,
        QuantType type,
        Shape shape,
        Verdict verdict,
        long blocks,
        long differing,
        double rmse,
        double referenceRmse,
        double largestError,
        double cosine,
        @Nullable String problem) {

    /** How well a tensor agrees with its source. */
    public enum Verdict {
        /** Byte for byte what the reference method makes of the source. */
        IDENTICAL,
        /** Other blocks, with no more error than the type gives. */
        WITHIN,
        /** Damaged, or made of something else. */
        DIFFERENT
    }
}
