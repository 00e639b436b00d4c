package dev.quern.evaluation.gemm;

/**
 * What products are added to, one row for each token, cut into blocks of {@link #BLOCK} columns: all rows of the first
 * block, then all rows of the second. Row-major rows of a power-of-two width would fall on the same few cache sets.
 *
 * @param rows rows in use
 * @param width columns
 * @param values at least {@link #size} floats
 */
public record Blocked(int rows, int width, float[] values) {
    /** Columns of a block; 16 of its columns of weights (16 kB) fit the first-level cache beside the tile's rows. */
    public static final int BLOCK = 256;

    public Blocked {
        if (values.length < size(rows, width)) {
            throw new IllegalArgumentException(values.length + " floats for " + rows + " x " + width);
        }
    }

    /** Floats that {@code rows} times {@code width} take. */
    public static int size(int rows, int width) {
        return Math.multiplyExact(rows, width);
    }

    public int blocks() {
        return Math.ceilDiv(width, BLOCK);
    }

    public int blockWidth(int block) {
        return Math.min(BLOCK, width - block * BLOCK);
    }

    /** Index of the first value of a row within a block. */
    public int at(int block, int row) {
        return block * BLOCK * rows + row * blockWidth(block);
    }

    /** Copies {@code count} values of a row, from a column on, to a plain array. */
    public void read(int row, int column, int count, float[] out, int to) {
        for (int done = 0; done < count; ) {
            int block = (column + done) / BLOCK;
            int inside = column + done - block * BLOCK;
            int run = Math.min(count - done, blockWidth(block) - inside);
            System.arraycopy(values, at(block, row) + inside, out, to + done, run);
            done += run;
        }
    }

    /** Copies {@code count} values of a plain array to a row, from a column on. */
    public void write(int row, int column, int count, float[] in, int from) {
        for (int done = 0; done < count; ) {
            int block = (column + done) / BLOCK;
            int inside = column + done - block * BLOCK;
            int run = Math.min(count - done, blockWidth(block) - inside);
            System.arraycopy(in, from + done, values, at(block, row) + inside, run);
            done += run;
        }
    }
}
