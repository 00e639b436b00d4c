package dev.quern.evaluation.gemm;

import java.util.Arrays;

/** Rows turned so that a tile reads what it needs at a step from one place, step by step along the depth. */
public final class Packing {
    private static final int STRETCH = 128;

    private Packing() {}

    /**
     * Writes up to 16 rows as {@code depth} groups of 16 floats: element {@code k} of row {@code j} goes to {@code at +
     * 16 k + j}. Rows that are not there become zeros.
     *
     * @param rows row-major, each row {@code depth} floats
     */
    public static void interleave(float[] rows, int count, int depth, float[] packed, int at) {
        if (count < Tile.COLUMNS) {
            Arrays.fill(packed, at, at + depth * Tile.COLUMNS, 0);
        }
        // A stretch of the depth at a time: its 8 kB stay in the first-level cache while each of its lines is touched
        // four times, once by every four rows.
        for (int k = 0; k < depth; k += STRETCH) {
            int run = Math.min(STRETCH, depth - k);
            int j = 0;
            for (; j + 4 <= count; j += 4) {
                four(rows, j * depth + k, depth, run, packed, at + k * Tile.COLUMNS + j);
            }
            for (; j < count; j++) {
                one(rows, j * depth + k, run, packed, at + k * Tile.COLUMNS + j);
            }
        }
    }

    /** Writes one of a tile's four left rows: value {@code k} goes to {@code to + 4 k}. */
    public static void spread(float[] row, int from, int count, float[] packed, int to) {
        for (int k = 0; k < count; k++) {
            packed[to + k * Tile.ROWS] = row[from + k];
        }
    }

    private static void four(float[] rows, int from, int stride, int count, float[] packed, int to) {
        int second = from + stride;
        int third = second + stride;
        int fourth = third + stride;
        for (int k = 0; k < count; k++) {
            int out = to + k * Tile.COLUMNS;
            packed[out] = rows[from + k];
            packed[out + 1] = rows[second + k];
            packed[out + 2] = rows[third + k];
            packed[out + 3] = rows[fourth + k];
        }
    }

    private static void one(float[] rows, int from, int count, float[] packed, int to) {
        for (int k = 0; k < count; k++) {
            packed[to + k * Tile.COLUMNS] = rows[from + k];
        }
    }
}
