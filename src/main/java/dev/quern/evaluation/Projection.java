package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass.Activation;
import dev.quern.evaluation.Weights.FeedForward;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Gemm;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;

/** Activations times weight matrices. Each task decodes one panel of weights once and meets all tokens with it. */
final class Projection {
    private Projection() {}

    /**
     * {@code out = in · weightsᵀ + bias}, or {@code out += scale · (…)}.
     *
     * @param scale of products that are added
     */
    record Product(WeightMatrix weights, Blocked out, boolean add, float scale) {
        Product(WeightMatrix weights, Blocked out, boolean add) {
            this(weights, out, add, 1);
        }
    }

    /** One panel of a product. */
    static void panel(Packed in, Product product, int panel, Scratch scratch) {
        WeightMatrix weights = product.weights();
        int groups = weights.pack(panel, scratch.decoded, scratch.panel);
        int columns = weights.panelRows(panel);
        for (int first = 0; first < in.rows(); first += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, in.rows() - first);
            Gemm.multiply(in, first, count, scratch.panel, groups, scratch.product);
            addBias(weights, panel, count, groups, scratch.product);
            if (product.scale() != 1) {
                Activations.scale(scratch.product, 0, count * groups * Tile.COLUMNS, product.scale());
            }
            store(scratch.product, groups, first, count, panel, columns, product.out(), product.add());
        }
    }

    /** One panel of {@code out = act(in · gateᵀ) · (in · upᵀ)}, or of {@code act(in · upᵀ)}, for some rows. */
    static void feedForwardPanel(
            Packed in,
            int firstRow,
            int rows,
            FeedForward network,
            Activation activation,
            int panel,
            Packed out,
            Scratch scratch) {
        WeightMatrix gate = network.gate();
        WeightMatrix first = gate == null ? network.up() : gate;
        int groups = first.pack(panel, scratch.decoded, scratch.panel);
        if (gate != null) {
            network.up().pack(panel, scratch.decoded, scratch.secondPanel);
        }
        int columns = first.panelRows(panel);
        int stride = groups * Tile.COLUMNS;
        for (int done = 0; done < rows; done += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, rows - done);
            Gemm.multiply(in, firstRow + done, count, scratch.panel, groups, scratch.product);
            addBias(first, panel, count, groups, scratch.product);
            if (gate != null) {
                Gemm.multiply(in, firstRow + done, count, scratch.secondPanel, groups, scratch.secondProduct);
                addBias(network.up(), panel, count, groups, scratch.secondProduct);
            }
            Activations.apply(
                    activation, scratch.product, scratch.secondProduct, Packed.padded(count) * groups * Tile.COLUMNS);
            for (int i = 0; i < count; i++) {
                out.write(firstRow + done + i, panel * WeightMatrix.PANEL, columns, scratch.product, i * stride);
            }
        }
    }

    /**
     * One panel of {@code out[to[i]] += share[i] · (in[i] · weightsᵀ + bias)} for some rows.
     *
     * @param to for each row of {@code in} the row of {@code out}
     */
    static void scatterPanel(
            Packed in,
            int firstRow,
            int rows,
            WeightMatrix weights,
            int panel,
            int[] to,
            float[] share,
            Blocked out,
            Scratch scratch) {
        int groups = weights.pack(panel, scratch.decoded, scratch.panel);
        int columns = weights.panelRows(panel);
        int column = panel * WeightMatrix.PANEL;
        int stride = groups * Tile.COLUMNS;
        for (int done = 0; done < rows; done += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, rows - done);
            Gemm.multiply(in, firstRow + done, count, scratch.panel, groups, scratch.product);
            addBias(weights, panel, count, groups, scratch.product);
            for (int i = 0; i < count; i++) {
                int row = firstRow + done + i;
                int at = out.at(column / Blocked.BLOCK, to[row]) + column % Blocked.BLOCK;
                addTimes(scratch.product, i * stride, share[row], columns, out.values(), at);
            }
        }
    }

    /** Adds a panel's bias to {@code count} rows of its product. */
    static void addBias(WeightMatrix weights, int panel, int count, int groups, float[] product) {
        float[] bias = weights.bias();
        if (bias.length == 0) {
            return;
        }
        int columns = weights.panelRows(panel);
        for (int i = 0; i < count; i++) {
            add(bias, panel * WeightMatrix.PANEL, columns, product, i * groups * Tile.COLUMNS);
        }
    }

    /** A panel's 64 columns lie within one block of 256. */
    private static void store(
            float[] product, int groups, int first, int count, int panel, int columns, Blocked out, boolean add) {
        int column = panel * WeightMatrix.PANEL;
        int block = column / Blocked.BLOCK;
        int inside = column % Blocked.BLOCK;
        int stride = groups * Tile.COLUMNS;
        for (int i = 0; i < count; i++) {
            int to = out.at(block, first + i) + inside;
            if (add) {
                add(product, i * stride, columns, out.values(), to);
            } else {
                System.arraycopy(product, i * stride, out.values(), to, columns);
            }
        }
    }

    private static void add(float[] from, int at, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] += from[at + i];
        }
    }

    private static void addTimes(float[] from, int at, float factor, int count, float[] to, int toAt) {
        for (int i = 0; i < count; i++) {
            to[toAt + i] += factor * from[at + i];
        }
    }
}
