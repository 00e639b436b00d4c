package dev.quern.compensation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Tile;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What is known of one layer input, ready for use: the damped second moments of what the quantized model brings there,
 * their factor in the order in which columns are chosen, and, where the original model's input was seen beside it, the
 * way from original weights to those that do the original's work on the quantized model's input.
 *
 * @param weights of columns in a search that takes each for itself: the diagonal
 * @param order columns by falling moment, or groups of neighbouring columns that some codes take together
 * @param transfer {@code C + λI}, with {@code C} the products of the original's columns with the quantized model's;
 *     empty where targets are the weights themselves
 * @param owed for each row of weights what else its product is to give, summed with the input; or empty
 * @param added to the diagonal
 * @param damping the same as a part of the mean moment
 */
@SuppressWarnings("ArrayRecordComponent")
record LayerMoments(
        int width,
        float[] weights,
        int[] order,
        Panels panels,
        float[] inverseDiagonal,
        Factor factor,
        Optional<Panels> transfer,
        Optional<float[]> owed,
        float added,
        double damping) {

    /** Beyond it a matrix that is still not positive is none of numbers. */
    private static final double MOST_DAMPING = 1e6;

    /**
     * @param moments of the quantized model's input; its sums are of no use afterwards
     * @param products of the original's with the quantized model's; its sums are of no use afterwards
     * @param missing of what the outputs should have besides, a row each, with the quantized model's input
     * @param damping part of the mean moment that is added to the diagonal, raised tenfold until the matrix is sound
     * @param together neighbouring columns that stay neighbours in the order; a divisor of the width
     * @throws ArithmeticException for sums that are not finite
     */
    static LayerMoments of(
            ProductSums moments,
            Optional<ProductSums> products,
            Optional<ProductSums> missing,
            double damping,
            int together,
            Workers workers) {
        float perToken = (float) (1.0 / Math.max(1, moments.tokens()));
        // The square of the moments is given up before that of the products is packed.
        LayerMoments alone = of(moments, perToken, damping, together, workers);
        return new LayerMoments(
                alone.width,
                alone.weights,
                alone.order,
                alone.panels,
                alone.inverseDiagonal,
                alone.factor,
                products.map(cross -> transfer(cross, alone.added, perToken, workers)),
                missing.map(sum -> scaled(sum.take(), perToken)),
                alone.added,
                alone.damping);
    }

    private static LayerMoments of(ProductSums moments, float perToken, double damping, int together, Workers workers) {
        int width = moments.width();
        float[] damped = moments.take();
        scale(damped, perToken);
        double mean = 0;
        for (int i = 0; i < width; i++) {
            mean += damped[i * width + i];
        }
        mean = mean > 0 ? mean / width : 1;
        float added = 0;
        Optional<Factor> factor = Optional.empty();
        int[] order = new int[0];
        double part = damping / 10;
        while (factor.isEmpty()) {
            if (!(mean < Float.MAX_VALUE) || part > MOST_DAMPING) {
                throw new ArithmeticException("inputs are not finite");
            }
            part *= 10;
            float more = (float) (part * mean) - added;
            added += more;
            for (int i = 0; i < width; i++) {
                damped[i * width + i] += more;
            }
            order = order(damped, width, together);
            factor = Factor.of(ordered(damped, width, order, workers), width, workers);
        }
        float[] weights = new float[width];
        float[] inverse = new float[width];
        for (int i = 0; i < width; i++) {
            weights[i] = damped[i * width + i];
            inverse[i] = 1 / weights[i];
        }
        return new LayerMoments(
                width,
                weights,
                order,
                Panels.of(damped, width, workers),
                inverse,
                factor.get(),
                Optional.empty(),
                Optional.empty(),
                added,
                part);
    }

    private static Panels transfer(ProductSums products, float added, float perToken, Workers workers) {
        int width = products.width();
        float[] sums = products.take();
        scale(sums, perToken);
        for (int i = 0; i < width; i++) {
            sums[i * width + i] += added;
        }
        return Panels.of(sums, width, workers);
    }

    private static void scale(float[] values, float factor) {
        for (int i = 0; i < values.length; i++) {
            values[i] *= factor;
        }
    }

    private static float[] scaled(float[] values, float factor) {
        scale(values, factor);
        return values;
    }

    private static int[] order(float[] moments, int width, int together) {
        double[] sums = new double[width / together];
        for (int i = 0; i < width; i++) {
            sums[i / together] += moments[i * width + i];
        }
        return IntStream.range(0, sums.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(i -> -sums[i]).thenComparingInt(i -> i))
                .flatMap(i -> IntStream.range(i * together, (i + 1) * together).boxed())
                .mapToInt(i -> i)
                .toArray();
    }

    private static float[] ordered(float[] matrix, int width, int[] order, Workers workers) {
        float[] out = new float[width * width];
        workers.each(width, (i, worker) -> {
            int row = order[i] * width;
            for (int j = 0; j < width; j++) {
                out[i * width + j] = matrix[row + order[j]];
            }
        });
        return out;
    }

    /** From weights to targets, for the rows of a tile. */
    void target(float[] weights, int firstRow, int rows, float[] target, float[] scratch, TriangularSolve solve) {
        if (transfer.isEmpty()) {
            System.arraycopy(weights, 0, target, 0, weights.length);
            return;
        }
        Arrays.fill(target, 0);
        owed.ifPresent(sums -> {
            for (int lane = 0; lane < rows; lane++) {
                RowTile.put(sums, (firstRow + lane) * width, width, lane, target);
            }
        });
        Panels panels = transfer.get();
        for (int chunk = 0; chunk < panels.chunks(); chunk++) {
            int begin = chunk * Panels.CHUNK;
            panels.carry(weights, begin, begin + panels.length(chunk), target, 0, width);
        }
        intoOrder(target, scratch);
        solve.solve(scratch);
        outOfOrder(scratch, target);
    }

    /** A tile's columns in the order in which they are chosen. */
    void intoOrder(float[] plain, float[] ordered) {
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            for (int k = 0; k < width; k++) {
                int from = (lanes * width + order[k]) * Tile.COLUMNS;
                System.arraycopy(plain, from, ordered, (lanes * width + k) * Tile.COLUMNS, Tile.COLUMNS);
            }
        }
    }

    /** And back. */
    void outOfOrder(float[] ordered, float[] plain) {
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            for (int k = 0; k < width; k++) {
                int to = (lanes * width + order[k]) * Tile.COLUMNS;
                System.arraycopy(ordered, (lanes * width + k) * Tile.COLUMNS, plain, to, Tile.COLUMNS);
            }
        }
    }
}
