package dev.quern.compensation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Tile;

/**
 * A square matrix in the order in which {@link Tile} reads its left factor, so that a change of some of a row's values
 * can be carried on to all others at the speed of a matrix product: {@link #CHUNK} columns of changes at a time, and
 * for each four results the chunk's coefficients side by side.
 */
final class Panels {
    /** Columns of changes that are carried on together. */
    static final int CHUNK = 256;

    private final int width;
    private final float[] values;

    private Panels(int width, float[] values) {
        this.width = width;
        this.values = values;
    }

    /** @param matrix row-major; its element {@code [j][k]} says what a change at {@code j} does at {@code k} */
    static Panels of(float[] matrix, int width, Workers workers) {
        float[] values = new float[width * width];
        workers.each(Math.ceilDiv(width, CHUNK), (chunk, worker) -> {
            int begin = chunk * CHUNK;
            int length = Math.min(CHUNK, width - begin);
            int base = begin * width;
            for (int j = 0; j < length; j++) {
                int row = (begin + j) * width;
                for (int k = 0; k < width; k += Tile.ROWS) {
                    System.arraycopy(matrix, row + k, values, base + k * length + j * Tile.ROWS, Tile.ROWS);
                }
            }
        });
        return new Panels(width, values);
    }

    int width() {
        return width;
    }

    int chunks() {
        return Math.ceilDiv(width, CHUNK);
    }

    /** Columns of a chunk. */
    int length(int chunk) {
        return Math.min(CHUNK, width - chunk * CHUNK);
    }

    float get(int j, int k) {
        int chunk = j / CHUNK;
        int inRow = k % Tile.ROWS;
        return values[chunk * CHUNK * width + (k - inRow) * length(chunk) + (j - chunk * CHUNK) * Tile.ROWS + inRow];
    }

    /** Copies {@code [begin .. begin + count - 1]²} to the start of {@code out}, row by row. */
    void copySquare(int begin, int count, float[] out) {
        for (int j = 0; j < count; j++) {
            for (int k = 0; k < count; k++) {
                out[j * count + k] = get(begin + j, begin + k);
            }
        }
    }

    /**
     * {@code out[k] += Σ_j [j][k] · change[j]} for {@code j} in {@code from .. to - 1}, which lie in one chunk, and
     * {@code k} in {@code first .. end - 1}, multiples of four.
     *
     * @param change in the layout of {@link RowTile}, like {@code out}
     */
    void carry(float[] change, int from, int to, float[] out, int first, int end) {
        if (from >= to || first >= end) {
            return;
        }
        int chunk = from / CHUNK;
        int length = length(chunk);
        int base = chunk * CHUNK * width + (from - chunk * CHUNK) * Tile.ROWS;
        for (int k = first; k < end; k += Tile.ROWS) {
            int at = base + k * length;
            for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
                int group = lanes * width * Tile.COLUMNS;
                Tile.multiplyAdd(
                        values,
                        at,
                        change,
                        group + from * Tile.COLUMNS,
                        to - from,
                        out,
                        group + k * Tile.COLUMNS,
                        Tile.COLUMNS);
            }
        }
    }
}
