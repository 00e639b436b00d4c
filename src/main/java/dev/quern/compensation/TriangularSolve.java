package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;

/** Solves {@code y (U D Uᵀ) = b} for the rows of a tile, in place. */
final class TriangularSolve {
    private final Factor factor;
    private final int width;
    private final float[] change;
    private final float[] square = new float[Stretch.LENGTH * Stretch.LENGTH];

    TriangularSolve(Factor factor) {
        this.factor = factor;
        this.width = factor.panels().width();
        this.change = new float[RowTile.ROWS * width];
    }

    void solve(float[] b) {
        Panels panels = factor.panels();
        // z Uᵀ = b, from the last column back.
        for (int chunk = panels.chunks() - 1; chunk >= 0; chunk--) {
            int begin = chunk * Panels.CHUNK;
            int end = begin + panels.length(chunk);
            for (int at = end; at > begin; ) {
                int count = Math.min(Stretch.LENGTH, at - begin);
                at -= count;
                panels.copySquare(at, count, square);
                for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
                    backward(b, change, (lanes * width + at) * Tile.COLUMNS, count, square);
                }
                panels.carry(change, at, at + count, b, begin, at);
            }
            panels.carry(change, begin, end, b, 0, begin);
        }
        // y U = z / D, from the first column on.
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            for (int column = 0; column < width; column++) {
                divide(b, (lanes * width + column) * Tile.COLUMNS, factor.diagonal()[column]);
            }
        }
        for (int chunk = 0; chunk < panels.chunks(); chunk++) {
            int begin = chunk * Panels.CHUNK;
            int end = begin + panels.length(chunk);
            for (int at = begin; at < end; at += Stretch.LENGTH) {
                int count = Math.min(Stretch.LENGTH, end - at);
                panels.copySquare(at, count, square);
                for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
                    forward(b, change, (lanes * width + at) * Tile.COLUMNS, count, square);
                }
                panels.carry(change, at, at + count, b, at + count, end);
            }
            panels.carry(change, begin, end, b, end, width);
        }
    }

    private static void divide(float[] values, int at, float by) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            values[at + lane] /= by;
        }
    }

    private static void backward(float[] b, float[] change, int at, int count, float[] square) {
        for (int j = count - 1; j >= 0; j--) {
            int from = at + j * Tile.COLUMNS;
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                change[from + lane] = -b[from + lane];
            }
            for (int k = 0; k < j; k++) {
                Lanes.addTimes(change, from, square[j * count + k], b, at + k * Tile.COLUMNS);
            }
        }
    }

    private static void forward(float[] b, float[] change, int at, int count, float[] square) {
        for (int j = 0; j < count; j++) {
            int from = at + j * Tile.COLUMNS;
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                change[from + lane] = -b[from + lane];
            }
            for (int k = j + 1; k < count; k++) {
                Lanes.addTimes(change, from, square[j * count + k], b, at + k * Tile.COLUMNS);
            }
        }
    }
}
