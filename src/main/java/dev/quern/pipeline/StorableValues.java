package dev.quern.pipeline;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.lang.foreign.MemorySegment;

/**
 * Refuses values that a tensor's type cannot hold.
 *
 * @param allowNonFinite whether types that can may hold values that are not finite
 */
record StorableValues(PlannedTensor tensor, boolean allowNonFinite) {
    /**
     * @param count the first values of whole rows, from {@code firstRow} on
     * @return whether some value is beyond F16, which may overflow a block's scale
     */
    boolean values(long firstRow, float[] values, int count) {
        int suspect = FiniteCheck.firstNotBelow(FiniteCheck.F16_OVERFLOW, values, count);
        if (suspect < 0) {
            return false;
        }
        boolean keeps = allowNonFinite && !tensor.type().isQuantized();
        int at = tensor.type() == QuantType.F16
                ? suspect
                : FiniteCheck.firstNotBelow(Float.POSITIVE_INFINITY, values, count);
        if (at >= 0 && !keeps) {
            throw notStorable(firstRow, at, values[at]);
        }
        return true;
    }

    /** Huge finite values can give a block an infinite scale; llama-quantize's validation refuses that block too. */
    void blocks(long firstRow, float[] values, int count, BlockCodec codec, byte[] encoded, int from) {
        float[] decoded = new float[count];
        codec.dequantize(MemorySegment.ofArray(encoded), from, count, decoded, 0);
        int at = FiniteCheck.firstNotBelow(Float.POSITIVE_INFINITY, decoded, count);
        if (at >= 0) {
            throw notStorable(firstRow, at, values[at]);
        }
    }

    /** Squares of huge values overflow in the searches of some types; the reference aborts there. */
    InputException tooLarge(long row, ArithmeticException cause) {
        return InputException.of(
                        tensor.source().origin(),
                        "tensor " + Quoted.of(tensor.name()) + ", row " + row + ": values too large for "
                                + tensor.type())
                .withCause(cause);
    }

    private InputException notStorable(long firstRow, int at, float value) {
        Shape shape = tensor.shape();
        long element = firstRow * shape.rowLength() + at;
        String problem = Float.isFinite(value)
                ? "value " + value + " is beyond what " + tensor.type() + " can hold"
                : "value is " + value;
        return InputException.of(
                        tensor.source().origin(),
                        "tensor " + Quoted.of(tensor.name()) + ", element " + shape.index(element) + ": " + problem)
                .withHint(
                        Float.isFinite(value)
                                ? "choose F32 or BF16, or --allow-non-finite to store it as infinity where the type can"
                                : "the checkpoint is damaged; --allow-non-finite keeps such values in F32, F16 and"
                                        + " BF16");
    }
}
