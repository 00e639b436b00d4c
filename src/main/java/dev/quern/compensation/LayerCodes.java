package dev.quern.compensation;

import dev.quern.concurrent.Workers;
import dev.quern.quantization.codes.ScaledForm;
import dev.quern.tensor.TensorSource;
import java.util.Arrays;
import java.util.Optional;

/**
 * Quantizes weight matrices of one input, each row's codes chosen together.
 */
public final class LayerCodes {
    private final LayerMoments moments;
    private final int sweeps;
    private final Workers workers;

    private LayerCodes(LayerMoments moments, int sweeps, Workers workers) {
        this.moments = moments;
        this.sweeps = sweeps;
        this.workers = workers;
    }

    /**
     * @param input sums of products of what the quantized model brings there; of no use afterwards
     * @param original sums of products of what the original model brings there with that; of no use afterwards. Weights
     *     then aim at the original's outputs, else at themselves
     * @param missing sums of products of what the outputs should have besides, a column each, with what the quantized
     *     model brings; of no use afterwards
     * @param damping part of the mean moment that is added to the diagonal, more where that is not enough
     * @param sweeps passes of coordinate descent
     * @param together the most of {@link ScaledForm#together} of the forms that are wanted
     * @throws ArithmeticException when the inputs were not finite
     */
    public static LayerCodes of(
            ProductSums input,
            Optional<ProductSums> original,
            Optional<ProductSums> missing,
            double damping,
            int sweeps,
            int together,
            Workers workers) {
        return new LayerCodes(LayerMoments.of(input, original, missing, damping, together, workers), sweeps, workers);
    }

    /** The part of the mean moment that was added to the diagonal. */
    public double damping() {
        return moments.damping();
    }

    /**
     * @param firstRow of the source
     * @param out receives the blocks of {@code rows} rows from {@code to} on
     */
    public void quantize(TensorSource source, long firstRow, int rows, ScaledForm form, byte[] out, int to) {
        int width = moments.width();
        int rowBytes = Math.toIntExact(form.type().bytesFor(width));
        Scratch[] scratch = new Scratch[workers.threads()];
        workers.each(Math.ceilDiv(rows, RowTile.ROWS), (tile, worker) -> {
            if (scratch[worker] == null) {
                scratch[worker] = new Scratch(form, moments);
            }
            Scratch mine = scratch[worker];
            int first = tile * RowTile.ROWS;
            int count = Math.min(RowTile.ROWS, rows - first);
            Arrays.fill(mine.weights, 0);
            for (int lane = 0; lane < count; lane++) {
                source.readRows(firstRow + first + lane, 1, mine.row, 0);
                RowTile.put(mine.row, 0, width, lane, mine.weights);
            }
            moments.target(mine.weights, first, count, mine.target, mine.ordered, mine.solve);
            mine.codes.choose(mine.target, count, sweeps, mine.blocks);
            System.arraycopy(mine.blocks, 0, out, to + first * rowBytes, count * rowBytes);
        });
    }

    /** Floats of scratch that each thread takes for inputs of so many columns. */
    public static long floats(long width) {
        // Weights, targets, their order, values, gradients, changes twice, and directions of blocks and minima twice.
        return 12 * RowTile.ROWS * width;
    }

    private static final class Scratch {
        final float[] row;
        final float[] weights;
        final float[] target;
        final float[] ordered;
        final byte[] blocks;
        final TriangularSolve solve;
        final CodeTile codes;

        Scratch(ScaledForm form, LayerMoments moments) {
            int width = moments.width();
            row = new float[width];
            weights = new float[RowTile.ROWS * width];
            target = new float[RowTile.ROWS * width];
            ordered = new float[RowTile.ROWS * width];
            blocks = new byte[Math.toIntExact(RowTile.ROWS * form.type().bytesFor(width))];
            solve = new TriangularSolve(moments.factor());
            codes = new CodeTile(form, moments);
        }
    }
}
