package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Dot;
import dev.quern.evaluation.gemm.Packing;
import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.TensorSource;

/**
 * A weight matrix, {@code [rows, columns]} = [out, in], that stays where it is: panels of its rows are decoded and
 * packed each time a batch needs them. It may be some rows of a tensor: one of several fused matrices, or an expert.
 *
 * @param firstRow of the tensor
 * @param bias added to each of the product's rows, or empty
 */
@SuppressWarnings("ArrayRecordComponent")
record WeightMatrix(TensorSource source, long firstRow, int rows, int columns, float[] bias) {
    /** Rows of a panel: four groups of 16, so that a panel's share of the product stays in the second-level cache. */
    static final int PANEL = 64;

    /** Floats that are decoded before they are used: 16 kB, half of the first-level cache. */
    private static final int CACHED = 4096;

    /** The matrix with the fastest decoder of its type: a batch decodes a model's every value again. */
    static WeightMatrix of(TensorSource source, int rows, int columns) {
        TensorSource fast = source instanceof Dequantized blocks
                ? QuantType.fromName(blocks.encoding())
                        .<TensorSource>map(type -> new Dequantized(
                                blocks.info(),
                                blocks.region(),
                                blocks.encoding(),
                                blocks.rowBytes(),
                                Codecs.decoder(type, Kernel.SIMD)))
                        .orElse(source)
                : source;
        return new WeightMatrix(fast, 0, rows, columns, new float[0]);
    }

    WeightMatrix withBias(float[] values) {
        return new WeightMatrix(source, firstRow, rows, columns, values);
    }

    /** Some of its rows, with their bias. */
    WeightMatrix rows(int first, int count) {
        return new WeightMatrix(
                source,
                firstRow + first,
                count,
                columns,
                bias.length == 0 ? bias : java.util.Arrays.copyOfRange(bias, first, first + count));
    }

    /** The tensor's name. */
    String name() {
        return source.info().name();
    }

    int panels() {
        return Math.ceilDiv(rows, PANEL);
    }

    /** Rows in a panel: {@link #PANEL}, less in the last. */
    int panelRows(int panel) {
        return Math.min(PANEL, rows - panel * PANEL);
    }

    /**
     * Decodes a panel.
     *
     * @param decoded scratch for 16 rows
     * @param packed receives groups of {@code columns} times 16 floats
     * @return the number of groups
     */
    int pack(int panel, float[] decoded, float[] packed) {
        int count = panelRows(panel);
        int groups = Math.ceilDiv(count, Tile.COLUMNS);
        for (int group = 0; group < groups; group++) {
            int first = group * Tile.COLUMNS;
            int rowsHere = Math.min(Tile.COLUMNS, count - first);
            source.readRows(firstRow + (long) panel * PANEL + first, rowsHere, decoded, 0);
            Packing.interleave(decoded, rowsHere, columns, packed, first * columns);
        }
        return groups;
    }

    /**
     * A panel's products with one token, row by row as they are decoded: nothing is packed.
     *
     * @param x {@code columns} floats
     * @param decoded scratch for 16 rows
     * @param out receives a float for each of the panel's rows
     */
    void dots(int panel, float[] x, float[] decoded, float[] out) {
        int count = panelRows(panel);
        int step = Math.clamp(CACHED / columns, 1, Tile.COLUMNS);
        for (int first = 0; first < count; first += step) {
            int rowsHere = Math.min(step, count - first);
            source.readRows(firstRow + (long) panel * PANEL + first, rowsHere, decoded, 0);
            for (int row = 0; row < rowsHere; row++) {
                out[first + row] = Dot.of(decoded, row * columns, x, 0, columns);
            }
        }
    }
}
