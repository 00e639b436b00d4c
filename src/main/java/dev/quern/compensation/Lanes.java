package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** What is done to 16 rows side by side, a column at a time. */
final class Lanes {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final int HALF = 8;

    private Lanes() {}

    /** {@code to[k] += square[k] · from} for columns {@code first .. end - 1} of a stretch. */
    static void carry(float[] from, int fromAt, float[] to, int at, int first, int end, float[] square, int squareAt) {
        FloatVector low = FloatVector.fromArray(LANES, from, fromAt);
        FloatVector high = FloatVector.fromArray(LANES, from, fromAt + HALF);
        for (int k = first; k < end; k++) {
            int to0 = at + k * Tile.COLUMNS;
            FloatVector factor = FloatVector.broadcast(LANES, square[squareAt + k]);
            low.fma(factor, FloatVector.fromArray(LANES, to, to0)).intoArray(to, to0);
            high.fma(factor, FloatVector.fromArray(LANES, to, to0 + HALF)).intoArray(to, to0 + HALF);
        }
    }

    /** What a column is asked for: its value, and its own step along the gradient. */
    static void ask(float[] value, float[] gradient, float step, int at, float[] out) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            out[lane] = gradient[at + lane] * step + value[at + lane];
        }
    }

    /** {@code to += factor · from} for one column. */
    static void addTimes(float[] from, int at, float factor, float[] to, int toAt) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            to[toAt + lane] += factor * from[at + lane];
        }
    }
}
