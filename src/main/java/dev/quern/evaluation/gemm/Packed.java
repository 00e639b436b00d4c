package dev.quern.evaluation.gemm;

/**
 * Activations that a matrix is multiplied with, in the order in which {@link Tile} reads them: four rows (tokens) at a
 * time, for each column the four rows' values side by side; cut into blocks of {@link Blocked#BLOCK} columns, all rows of
 * the first block before all rows of the second.
 *
 * @param rows rows in use
 * @param width columns
 * @param values at least {@link #size} floats; rows up to the next multiple of {@link Tile#ROWS} are there and are noise
 */
public record Packed(int rows, int width, float[] values) {
    public Packed {
        if (values.length < size(rows, width)) {
            throw new IllegalArgumentException(values.length + " floats for " + rows + " x " + width);
        }
    }

    /** Floats that {@code rows} times {@code width} take, with the rows rounded up to whole tiles. */
    public static int size(int rows, int width) {
        return Math.multiplyExact(padded(rows), width);
    }

    /** Rows in whole tiles. */
    public static int padded(int rows) {
        return Math.ceilDiv(rows, Tile.ROWS) * Tile.ROWS;
    }

    public int blocks() {
        return Math.ceilDiv(width, Blocked.BLOCK);
    }

    public int blockWidth(int block) {
        return Math.min(Blocked.BLOCK, width - block * Blocked.BLOCK);
    }

    /** Index of a row's first value within a block; the next columns follow {@link Tile#ROWS} apart. */
    public int at(int block, int row) {
        int inTile = row % Tile.ROWS;
        return block * Blocked.BLOCK * padded(rows) + (row - inTile) * blockWidth(block) + inTile;
    }

    /** Copies {@code count} values of a plain array to a row, from a column on. */
    public void write(int row, int column, int count, float[] in, int from) {
        for (int done = 0; done < count; ) {
            int block = (column + done) / Blocked.BLOCK;
            int inside = column + done - block * Blocked.BLOCK;
            int run = Math.min(count - done, blockWidth(block) - inside);
            Packing.spread(in, from + done, run, values, at(block, row) + inside * Tile.ROWS);
            done += run;
        }
    }

    /** Copies {@code count} values of a row, from a column on, to a plain array. */
    public void read(int row, int column, int count, float[] out, int to) {
        for (int done = 0; done < count; ) {
            int block = (column + done) / Blocked.BLOCK;
            int inside = column + done - block * Blocked.BLOCK;
            int run = Math.min(count - done, blockWidth(block) - inside);
            gather(values, at(block, row) + inside * Tile.ROWS, run, out, to + done);
            done += run;
        }
    }

    private static void gather(float[] values, int at, int count, float[] out, int to) {
        for (int i = 0; i < count; i++) {
            out[to + i] = values[at + i * Tile.ROWS];
        }
    }

    /** Adds the squares of a row's values, one block of columns, to {@code sums}. */
    public void addSquares(int block, int row, float[] sums) {
        squares(values, at(block, row), blockWidth(block), sums);
    }

    private static void squares(float[] values, int at, int count, float[] sums) {
        for (int i = 0; i < count; i++) {
            float x = values[at + i * Tile.ROWS];
            sums[i] += x * x;
        }
    }
}
