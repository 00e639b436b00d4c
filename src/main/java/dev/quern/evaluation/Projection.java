package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Gemm;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;

/** Activations times weight matrices. Each task decodes one panel of weights once and meets all tokens with it. */
final class Projection {
    private Projection() {}

    /** {@code out = in · weightsᵀ}, or {@code out += …}. */
    record Product(WeightMatrix weights, Blocked out, boolean add) {}

    /** One panel of a product. */
    static void panel(Packed in, Product product, int panel, Scratch scratch) {
        int groups = product.weights().pack(panel, scratch.decoded, scratch.panel);
        int columns = product.weights().panelRows(panel);
        for (int first = 0; first < in.rows(); first += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, in.rows() - first);
            Gemm.multiply(in, first, count, scratch.panel, groups, scratch.product);
            store(scratch.product, groups, first, count, panel, columns, product.out(), product.add());
        }
    }

    /** One panel of {@code out = silu(in · gateᵀ) · (in · upᵀ)}. */
    static void gatedPanel(Packed in, WeightMatrix gate, WeightMatrix up, int panel, Packed out, Scratch scratch) {
        int groups = gate.pack(panel, scratch.decoded, scratch.panel);
        up.pack(panel, scratch.decoded, scratch.secondPanel);
        int columns = gate.panelRows(panel);
        for (int first = 0; first < in.rows(); first += Scratch.TOKENS) {
            int count = Math.min(Scratch.TOKENS, in.rows() - first);
            Gemm.multiply(in, first, count, scratch.panel, groups, scratch.product);
            Gemm.multiply(in, first, count, scratch.secondPanel, groups, scratch.secondProduct);
            Exponential.siluTimes(scratch.product, scratch.secondProduct, Packed.padded(count) * groups * Tile.COLUMNS);
            int stride = groups * Tile.COLUMNS;
            for (int i = 0; i < count; i++) {
                out.write(first + i, panel * WeightMatrix.PANEL, columns, scratch.product, i * stride);
            }
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
}
