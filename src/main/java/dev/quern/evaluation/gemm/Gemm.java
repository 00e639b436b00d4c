package dev.quern.evaluation.gemm;

import java.util.Arrays;

/** Loops around the tile: some rows of activations times one packed panel of weights. */
public final class Gemm {
    private Gemm() {}

    /**
     * {@code c = a · panelᵀ} for {@code count} rows of {@code a}. Sums run over blocks of {@link Blocked#BLOCK} columns:
     * a chain of fused multiply-adds inside a block, the blocks' sums added in order.
     *
     * @param first row of {@code a} to begin at, a multiple of {@link Tile#ROWS}
     * @param panel {@code groups} runs of {@code a.width()} times 16 floats
     * @param c receives {@code count} rows of {@code 16 groups} floats; whole tiles are written
     */
    public static void multiply(Packed a, int first, int count, float[] panel, int groups, float[] c) {
        int stride = groups * Tile.COLUMNS;
        Arrays.fill(c, 0, Packed.padded(count) * stride, 0);
        for (int block = 0; block < a.blocks(); block++) {
            int depth = a.blockWidth(block);
            for (int group = 0; group < groups; group++) {
                int at = (group * a.width() + block * Blocked.BLOCK) * Tile.COLUMNS;
                column(a.values(), a.at(block, first), depth, count, panel, at, c, group * Tile.COLUMNS, stride);
            }
        }
    }

    private static void column(
            float[] a, int aAt, int depth, int count, float[] b, int bAt, float[] c, int cAt, int cStride) {
        for (int row = 0; row < count; row += Tile.ROWS) {
            Tile.multiplyAdd(a, aAt + row * depth, b, bAt, depth, c, cAt + row * cStride, cStride);
        }
    }
}
