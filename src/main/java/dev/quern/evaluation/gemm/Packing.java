package dev.quern.evaluation.gemm;

import java.util.Arrays;

/** Rows turned so that a tile reads what it needs at a step from one place, step by step along the depth. */
public final class Packing {
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
        // Four rows a pass: four streams are read in order and each written cache line is touched four times, not 16.
        int j = 0;
        for (; j + 4 <= count; j += 4) {
            four(rows, j * depth, depth, packed, at + j);
        }
        for (; j < count; j++) {
            one(rows, j * depth, depth, packed, at + j);
        }
    }

    /** Writes one of a tile's four left rows: value {@code k} goes to {@code to + 4 k}. */
    public static void spread(float[] row, int from, int count, float[] packed, int to) {
        for (int k = 0; k < count; k++) {
            packed[to + k * Tile.ROWS] = row[from + k];
        }
    }

    private static void four(float[] rows, int from, int depth, float[] packed, int to) {
        for (int k = 0; k < depth; k++) {
            int out = to + k * Tile.COLUMNS;
            packed[out] = rows[from + k];
            packed[out + 1] = rows[from + depth + k];
            packed[out + 2] = rows[from + 2 * depth + k];
            packed[out + 3] = rows[from + 3 * depth + k];
        }
    }

    private static void one(float[] rows, int from, int depth, float[] packed, int to) {
        for (int k = 0; k < depth; k++) {
            packed[to + k * Tile.COLUMNS] = rows[from + k];
        }
    }
}
