package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Gemm;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import dev.quern.tensor.TensorSource;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How far a layer's outputs are from the original's, on inputs that nothing was fitted to. */
public final class OutputError {
    private OutputError() {}

    /**
     * {@code ‖W X + M - Ŵ X̂‖²} of each candidate, and {@code ‖W X + M‖²} at the end.
     *
     * @param weights the original matrix
     * @param firstRow of the matrix in its tensor
     * @param rows of the matrix
     * @param input what the original model brings there
     * @param missing what the outputs should have besides, a column for each row of weights; or null
     * @param candidates the matrix alone
     * @param inputNow what the quantized model brings there, at the same positions
     */
    public static double[] of(
            TensorSource weights,
            int firstRow,
            int rows,
            Packed input,
            @Nullable Packed missing,
            List<TensorSource> candidates,
            Packed inputNow,
            Workers workers) {
        int all = Math.toIntExact(weights.info().shape().rows());
        WeightMatrix original = WeightMatrix.of(weights, all, input.width()).rows(firstRow, rows);
        List<WeightMatrix> others = candidates.stream()
                .map(source -> WeightMatrix.of(source, rows, input.width()))
                .toList();
        int panels = original.panels();
        double[][] sums = new double[panels][candidates.size() + 1];
        Scratch[] scratch = new Scratch[workers.threads()];
        workers.each(panels, (panel, worker) -> {
            if (scratch[worker] == null) {
                scratch[worker] = new Scratch(input);
            }
            Scratch mine = scratch[worker];
            int groups = original.pack(panel, mine.decoded, mine.panel);
            Gemm.multiply(input, 0, input.rows(), mine.panel, groups, mine.expected);
            if (missing != null) {
                add(missing, panel * WeightMatrix.PANEL, original.panelRows(panel), groups, mine.expected, mine.row);
            }
            sums[panel][candidates.size()] = squares(mine.expected, input.rows(), groups, original.panelRows(panel));
            for (int i = 0; i < others.size(); i++) {
                others.get(i).pack(panel, mine.decoded, mine.panel);
                Gemm.multiply(inputNow, 0, input.rows(), mine.panel, groups, mine.found);
                sums[panel][i] =
                        differences(mine.expected, mine.found, input.rows(), groups, original.panelRows(panel));
            }
        });
        double[] total = new double[candidates.size() + 1];
        for (double[] panel : sums) {
            for (int i = 0; i < total.length; i++) {
                total[i] += panel[i];
            }
        }
        return total;
    }

    private static void add(Packed missing, int column, int columns, int groups, float[] expected, float[] row) {
        for (int token = 0; token < missing.rows(); token++) {
            missing.read(token, column, columns, row, 0);
            for (int i = 0; i < columns; i++) {
                expected[token * groups * Tile.COLUMNS + i] += row[i];
            }
        }
    }

    private static final class Scratch {
        final float[] row = new float[WeightMatrix.PANEL];
        final float[] decoded;
        final float[] panel;
        final float[] expected;
        final float[] found;

        Scratch(Packed input) {
            decoded = new float[Tile.COLUMNS * input.width()];
            panel = new float[WeightMatrix.PANEL * input.width()];
            expected = new float[Packed.padded(input.rows()) * WeightMatrix.PANEL];
            found = new float[Packed.padded(input.rows()) * WeightMatrix.PANEL];
        }
    }

    private static double squares(float[] values, int rows, int groups, int columns) {
        double sum = 0;
        for (int row = 0; row < rows; row++) {
            int at = row * groups * Tile.COLUMNS;
            for (int i = at; i < at + columns; i++) {
                sum += (double) values[i] * values[i];
            }
        }
        return sum;
    }

    private static double differences(float[] a, float[] b, int rows, int groups, int columns) {
        double sum = 0;
        for (int row = 0; row < rows; row++) {
            int at = row * groups * Tile.COLUMNS;
            for (int i = at; i < at + columns; i++) {
                double difference = (double) a[i] - b[i];
                sum += difference * difference;
            }
        }
        return sum;
    }
}
