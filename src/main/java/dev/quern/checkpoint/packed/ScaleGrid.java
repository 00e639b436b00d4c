package dev.quern.checkpoint.packed;

import dev.quern.tensor.Shape;
import java.util.List;

/**
 * Scales (or zero points) of a matrix, one for each block of {@code rowBlock} rows by {@code columnBlock} columns; blocks
 * at the edges may be cut.
 *
 * @param columns blocks side by side
 */
record ScaleGrid(Part values, long rowBlock, int columnBlock, int columns) {
    /**
     * Finds the blocks by the scales' shape: one for all, one for each row, or a grid.
     *
     * @param block sizes that the configuration gives, rows first, or an empty list
     */
    static ScaleGrid of(Part scales, Shape weight, List<Long> block) {
        long rows = weight.rows();
        int width = scales.width(weight);
        Shape shape = scales.shape();
        if (scales.elements() == 1) {
            return new ScaleGrid(scales, rows, width, 1);
        }
        if (weight.rank() != 2) {
            throw scales.refused("expected one scale for the " + weight + " weight, found the shape " + shape);
        }
        if (block.size() == 2) {
            long rowBlock = block.get(0);
            long columnBlock = block.get(1);
            if (shape.rank() == 2
                    && shape.dim(0) == Math.ceilDiv(rows, rowBlock)
                    && shape.dim(1) == Math.ceilDiv(width, columnBlock)) {
                return new ScaleGrid(scales, rowBlock, (int) columnBlock, (int) shape.dim(1));
            }
        }
        if (scales.elements() == rows && (shape.rank() == 1 || shape.rank() == 2 && shape.dim(1) == 1)) {
            return new ScaleGrid(scales, 1, width, 1);
        }
        if (block.isEmpty() && shape.rank() == 2 && shape.dim(0) == rows && width % shape.dim(1) == 0) {
            return new ScaleGrid(scales, 1, (int) (width / shape.dim(1)), (int) shape.dim(1));
        }
        throw scales.refused("its shape " + shape + " does not fit a weight of shape " + weight
                + (block.isEmpty() ? "" : " in blocks of " + block));
    }

    /** The values that a row needs, from left to right. */
    void row(long row, float[] out) {
        values.floats(row / rowBlock * columns, columns, out, 0);
    }
}
