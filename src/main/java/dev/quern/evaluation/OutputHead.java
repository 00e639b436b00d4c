package dev.quern.evaluation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;

/**
 * From normalized states to logits, or straight to what a token's improbability is, without keeping any logits.
 *
 * @param scale what logits are multiplied by
 * @param cap c in c · tanh(logit / c); 0 for none
 */
record OutputHead(WeightMatrix weights, float scale, float cap) {
    static OutputHead of(Weights weights, Hyperparameters sizes) {
        return new OutputHead(
                weights.output(), sizes.scales().logit(), sizes.scales().logitCap());
    }

    /**
     * Logits of {@code count} rows of {@code states}: row {@code begin + i} gives {@code out[i · vocabulary …]}.
     *
     * @param begin a multiple of {@link Tile#ROWS}
     */
    void logits(Packed states, int begin, int count, float[] out, Workers workers, Scratch[] scratch) {
        logits(new Projection(false), states, begin, count, out, workers, scratch);
    }

    /** Logits of the one row of {@code states}. */
    void logits(Packed states, float[] out, Workers workers, Scratch[] scratch) {
        logits(new Projection(true), states, 0, 1, out, workers, scratch);
    }

    private void logits(
            Projection projection,
            Packed states,
            int begin,
            int count,
            float[] out,
            Workers workers,
            Scratch[] scratch) {
        int vocabulary = weights.rows();
        workers.each(weights.panels(), (panel, worker) -> {
            Scratch mine = scratch[worker];
            int groups = projection.prepare(weights, panel, mine.panel, mine);
            for (int first = 0; first < count; first += Scratch.TOKENS) {
                int rows = Math.min(Scratch.TOKENS, count - first);
                multiply(projection, states, begin + first, rows, panel, groups, mine);
                for (int i = 0; i < rows; i++) {
                    System.arraycopy(
                            mine.product,
                            i * groups * Tile.COLUMNS,
                            out,
                            (first + i) * vocabulary + panel * WeightMatrix.PANEL,
                            weights.panelRows(panel));
                }
            }
        });
    }

    private void multiply(
            Projection projection, Packed states, int first, int rows, int panel, int groups, Scratch mine) {
        projection.multiply(states, first, rows, weights, panel, mine.panel, groups, mine.product, mine);
        finish(mine.product, 0, rows * groups * Tile.COLUMNS, mine.lanes);
    }

    /** Scales and caps products. */
    private void finish(float[] product, int at, int count, float[] lanes) {
        if (scale != 1) {
            Activations.scale(product, at, count, scale);
        }
        if (cap > 0) {
            Activations.cap(product, at, count, cap, lanes);
        }
    }

    /**
     * {@code -log softmax(logits)[target]} of each row. The vocabulary passes by in panels; each leaves its largest
     * logit and its sum of e^(logit - largest), which are joined in the panels' order, in double.
     */
    double[] improbabilities(Packed states, int[] targets, Workers workers, Scratch[] scratch) {
        int rows = states.rows();
        int panels = weights.panels();
        float[] largest = new float[Math.multiplyExact(panels, rows)];
        double[] sums = new double[largest.length];
        float[] targetLogits = new float[rows];
        Projection projection = new Projection(false);
        workers.each(panels, (panel, worker) -> {
            Scratch mine = scratch[worker];
            int groups = projection.prepare(weights, panel, mine.panel, mine);
            int columns = weights.panelRows(panel);
            for (int first = 0; first < rows; first += Scratch.TOKENS) {
                int count = Math.min(Scratch.TOKENS, rows - first);
                multiply(projection, states, first, count, panel, groups, mine);
                for (int i = 0; i < count; i++) {
                    int at = i * groups * Tile.COLUMNS;
                    int target = targets[first + i] - panel * WeightMatrix.PANEL;
                    if (target >= 0 && target < columns) {
                        targetLogits[first + i] = mine.product[at + target];
                    }
                    float max = Exponential.max(mine.product, at, columns);
                    largest[panel * rows + first + i] = max;
                    sums[panel * rows + first + i] =
                            Exponential.exponentiate(mine.product, at, columns, max, mine.lanes);
                }
            }
        });
        double[] improbabilities = new double[rows];
        for (int row = 0; row < rows; row++) {
            float max = Float.NEGATIVE_INFINITY;
            for (int panel = 0; panel < panels; panel++) {
                max = Math.max(max, largest[panel * rows + row]);
            }
            double sum = 0;
            for (int panel = 0; panel < panels; panel++) {
                sum += sums[panel * rows + row] * Math.exp((double) largest[panel * rows + row] - max);
            }
            improbabilities[row] = Math.log(sum) - ((double) targetLogits[row] - max);
        }
        return improbabilities;
    }
}
