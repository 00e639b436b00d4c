package dev.quern.pipeline;

import dev.quern.concurrent.Workers;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.EncodedBlocks;
import java.lang.foreign.Arena;

/** A way of choosing the codes of a tensor's blocks. */
@FunctionalInterface
public interface TensorEncoder {
    /**
     * A tensor as it would be stored as a type.
     *
     * @param workers who share the work; the bytes do not depend on how many they are
     * @param memory where the blocks are kept
     * @throws ArithmeticException when values are too large for the type's search
     */
    EncodedBlocks encode(Quantization.Undecided tensor, QuantType type, Workers workers, Arena memory);
}
