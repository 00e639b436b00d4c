package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass.Activation;
import dev.quern.evaluation.Weights.FeedForward;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Gemm;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;

/**
 * Activations times weight matrices. Each task decodes one panel of weights once and meets all tokens with it.
 *
 * @param single whether there is one token only, which is faster without packing; sums are then in another order
 */
record Projection(boolean single) {
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
    void panel(Packed in, Product product, int panel, Scratch scratch) {
        WeightMatrix weights = product.weights();
        int groups = prepare(weights, panel, scratch.panel, scratch);
        int columns = weights.panelRows(panel);
        for (int first = 0; first < in.rows(); first += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, in.rows() - first);
            multiply(in, first, count, weights, panel, scratch.panel, groups, scratch.product, scratch);
            if (product.scale() != 1) {
                Activations.scale(scratch.product, 0, count * groups * Tile.COLUMNS, product.scale());
            }
            store(scratch.product, groups, first, count, panel, columns, product.out(), product.add());
        }
    }

    /** One panel of {@code out = act(in · gateᵀ) · (in · upᵀ)}, or of {@code act(in · upᵀ)}, for some rows. */
    void feedForwardPanel(
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
        int groups = prepare(first, panel, scratch.panel, scratch);
        if (gate != null) {
            prepare(network.up(), panel, scratch.secondPanel, scratch);
        }
        int columns = first.panelRows(panel);
        int stride = groups * Tile.COLUMNS;
        for (int done = 0; done < rows; done += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, rows - done);
            multiply(in, firstRow + done, count, first, panel, scratch.panel, groups, scratch.product, scratch);
            if (gate != null) {
                multiply(
                        in,
                        firstRow + done,
                        count,
                        network.up(),
                        panel,
                        scratch.secondPanel,
                        groups,
                        scratch.secondProduct,
                        scratch);
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
    void scatterPanel(
            Packed in,
            int firstRow,
            int rows,
            WeightMatrix weights,
            int panel,
            int[] to,
            float[] share,
            Blocked out,
            Scratch scratch) {
        int groups = prepare(weights, panel, scratch.panel, scratch);
        int columns = weights.panelRows(panel);
        int column = panel * WeightMatrix.PANEL;
        int stride = groups * Tile.COLUMNS;
        for (int done = 0; done < rows; done += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, rows - done);
            multiply(in, firstRow + done, count, weights, panel, scratch.panel, groups, scratch.product, scratch);
            for (int i = 0; i < count; i++) {
                int row = firstRow + done + i;
                int at = out.at(column / Blocked.BLOCK, to[row]) + column % Blocked.BLOCK;
                addTimes(scratch.product, i * stride, share[row], columns, out.values(), at);
            }
        }
    }

    /** Decodes a panel for {@link #multiply}; returns its groups of 16 rows. */
    int prepare(WeightMatrix weights, int panel, float[] packed, Scratch scratch) {
        return single
                ? Math.ceilDiv(weights.panelRows(panel), Tile.COLUMNS)
                : weights.pack(panel, scratch.decoded, packed);
    }

    /** Fills {@code product} with some tokens' products with a prepared panel, and its bias. */
    void multiply(
            Packed in,
            int first,
            int count,
            WeightMatrix weights,
            int panel,
            float[] packed,
            int groups,
            float[] product,
            Scratch scratch) {
        if (single) {
            in.read(first, 0, in.width(), scratch.row, 0);
            weights.dots(panel, scratch.row, scratch.decoded, product);
        } else {
            Gemm.multiply(in, first, count, packed, groups, product);
        }
        addBias(weights, panel, count, groups, product);
    }

    /** Adds a panel's bias to {@code count} rows of its product. */
    private static void addBias(WeightMatrix weights, int panel, int count, int groups, float[] product) {
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
