package dev.quern.architecture;

import dev.quern.tensor.Computed;
import dev.quern.tensor.PermutedRows;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.function.LongUnaryOperator;

/**
 * The order of rotary rows. Within a head of d rows Meta and GGUF rotate neighbours (2i, 2i+1); Hugging Face rotates
 * (i, i + d/2), and so stores Meta's even rows first and its odd rows after them.
 */
final class RopeRows {
    private RopeRows() {}

    /** Puts the rows of a query or key weight (or the elements of its bias) back from Hugging Face's order. */
    static TensorSource undoHuggingFace(TensorSource source, long heads) {
        Shape shape = source.info().shape();
        long headSize = shape.dim(0) / heads;
        LongUnaryOperator original = row -> {
            long inHead = row % headSize;
            return row - inHead + inHead % 2 * (headSize / 2) + inHead / 2;
        };
        if (shape.rank() > 1) {
            return new PermutedRows(source.info(), source, original);
        }
        int length = Math.toIntExact(shape.elements());
        float[] given = new float[length];
        source.readRows(0, 1, given, 0);
        float[] ordered = new float[length];
        for (int i = 0; i < length; i++) {
            ordered[i] = given[(int) original.applyAsLong(i)];
        }
        return new Computed(source.info(), ordered);
    }
}
