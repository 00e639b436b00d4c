package dev.quern.pipeline;

import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import org.jspecify.annotations.Nullable;

/**
 * One tensor of an output, decided before a byte is written.
 *
 * @param name GGUF's
 * @param type what it will be stored as
 * @param shape outermost first, as the output's header will have it
 * @param source where its rows come from
 * @param rule why it has this type, for people
 * @param copied whether the source already has this type, so that its bytes are taken as they are
 * @param searched whether blocks are made by search instead of as the reference makes them
 * @param importance weights for the columns, one array for each matrix (expert) of the tensor, or null
 */
@SuppressWarnings("ArrayRecordComponent")
public record PlannedTensor(
        String name,
        QuantType type,
        Shape shape,
        TensorSource source,
        String rule,
        boolean copied,
        boolean searched,
        float @Nullable [][] importance) {

    /** Whose blocks are the reference's. */
    public PlannedTensor(
            String name,
            QuantType type,
            Shape shape,
            TensorSource source,
            String rule,
            boolean copied,
            float @Nullable [][] importance) {
        this(name, type, shape, source, rule, copied, false, importance);
    }

    /** Weights of a row's columns, or null. */
    float @Nullable [] importanceOf(long row) {
        return weightsOf(importance, row, shape);
    }

    /** @param all one array for each matrix of the tensor, or null */
    static float @Nullable [] weightsOf(float @Nullable [] @Nullable [] all, long row, Shape shape) {
        return all == null ? null : all[(int) (row * all.length / shape.rows())];
    }

    /** The same tensor with blocks that are there already. */
    PlannedTensor withBlocks(TensorSource blocks) {
        return new PlannedTensor(name, type, shape, blocks, rule, true, false, null);
    }

    public long bytes() {
        return Math.multiplyExact(shape.rows(), type.bytesFor(shape.rowLength()));
    }
}
