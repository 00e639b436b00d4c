package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;

/**
 * How some rows of a weight matrix lie while their codes are chosen: a row is a lane, and a column's values of 16 rows
 * lie side by side; four such groups of lanes follow each other.
 */
final class RowTile {
    /** Groups of 16 lanes: enough that a matrix of moments, which every tile reads once, is read from memory in time. */
    static final int GROUPS = 4;

    /** Rows of a tile. */
    static final int ROWS = GROUPS * Tile.COLUMNS;

    private RowTile() {}

    /** Where the value of a row in a column lies, in arrays of {@code width} columns. */
    static int at(int row, int column, int width) {
        return (row / Tile.COLUMNS * width + column) * Tile.COLUMNS + row % Tile.COLUMNS;
    }

    /** Writes a plain row of values to its lane. */
    static void put(float[] row, int from, int width, int lane, float[] out) {
        int at = at(lane, 0, width);
        for (int column = 0; column < width; column++) {
            out[at + column * Tile.COLUMNS] = row[from + column];
        }
    }

    /** Reads a lane as a plain row. */
    static void get(float[] values, int lane, int width, float[] row) {
        int at = at(lane, 0, width);
        for (int column = 0; column < width; column++) {
            row[column] = values[at + column * Tile.COLUMNS];
        }
    }
}
