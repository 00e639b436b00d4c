package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;

/**
 * The innermost steps: columns of one stretch, one after the other, for 16 rows side by side. What a column's choice
 * leaves over reaches the stretch's other columns at once; the rest of the matrix hears of a whole stretch at a time.
 */
final class Stretch {
    /** Columns, unless a group of scales is shorter. */
    static final int LENGTH = 32;

    private final Scales scales;
    private final Levels levels;
    private final float[] asked = new float[Tile.COLUMNS];
    private final float[] lost = new float[Tile.COLUMNS];

    Stretch(Scales scales, Levels levels) {
        this.scales = scales;
        this.levels = levels;
    }

    /**
     * GPTQ's step: each column is rounded with what the errors of those before it ask for.
     *
     * @param values to be met; become the chosen ones
     * @param owed what earlier columns' errors ask for; later columns of the stretch are added to
     * @param error receives the values that were to be met less the chosen ones
     * @param groups for each column where its scale lies
     * @param square how an error at a column changes what is owed at another
     */
    void propagate(
            float[] values,
            float[] owed,
            float[] error,
            int at,
            int count,
            int[] groups,
            int firstGroup,
            float[] square) {
        for (int j = 0; j < count; j++) {
            int from = at + j * Tile.COLUMNS;
            add(values, owed, from, asked);
            System.arraycopy(values, from, error, from, Tile.COLUMNS);
            nearest(groups[firstGroup + j], values, from);
            subtract(error, values, from);
            Lanes.carry(error, from, owed, at, j + 1, count, square, j * count);
        }
    }

    /**
     * Coordinate descent's step: each column takes the level that makes the error least while all others stay.
     *
     * @param gradient of half the error by each column's value, with the sign turned: what the columns' errors ask for
     * @param change what values have lost in this pass; added to
     * @param inverseDiagonal of each column's own moment
     */
    void descend(
            float[] value,
            float[] gradient,
            float[] change,
            int at,
            int count,
            int group,
            float[] square,
            float[] inverseDiagonal,
            int firstColumn) {
        for (int j = 0; j < count; j++) {
            int from = at + j * Tile.COLUMNS;
            Lanes.ask(value, gradient, inverseDiagonal[firstColumn + j], from, asked);
            System.arraycopy(value, from, lost, 0, Tile.COLUMNS);
            nearest(group, value, from);
            if (lose(lost, value, change, from)) {
                Lanes.carry(lost, 0, gradient, at, 0, count, square, j * count);
            }
        }
    }

    private void nearest(int group, float[] chosen, int to) {
        levels.choose(asked, 0, scales.scale, scales.inverse, scales.minimum, group, chosen, to);
    }

    private static void add(float[] a, float[] b, int at, float[] out) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            out[lane] = a[at + lane] + b[at + lane];
        }
    }

    private static void subtract(float[] from, float[] less, int at) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            from[at + lane] -= less[at + lane];
        }
    }

    /** From old values to what they have lost; whether any has. */
    private static boolean lose(float[] old, float[] value, float[] change, int at) {
        float moved = 0;
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            float lost = old[lane] - value[at + lane];
            old[lane] = lost;
            change[at + lane] += lost;
            moved += Math.abs(lost);
        }
        return moved != 0;
    }
}
