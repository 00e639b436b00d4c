package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The innermost steps: columns of one stretch, one after the other, for 16 rows side by side. What a column's choice
 * leaves over reaches the stretch's other columns at once; the rest of the matrix hears of a whole stretch at a time.
 *
 * <p>Levels are whole numbers; {@code value = scale · level - minimum}.
 */
final class Stretch {
    /** Columns, unless a group of scales is shorter. */
    static final int LENGTH = 32;

    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final int HALF = 8;

    /** Adding it leaves a float of magnitude below 2^22 rounded to nearest even. */
    private static final float MAGIC = 12582912f;

    private Stretch() {}

    /**
     * GPTQ's step: each column is rounded with what the errors of those before it ask for.
     *
     * @param wanted values to be met
     * @param owed what earlier columns' errors ask for; later columns of the stretch are added to
     * @param error receives wanted values less chosen ones
     * @param groups for each column where its scale lies
     * @param square how an error at a column changes what is owed at another
     */
    static void propagate(
            float[] wanted,
            float[] owed,
            float[] value,
            float[] error,
            int at,
            int count,
            Scales scales,
            int[] groups,
            int firstGroup,
            float[] square) {
        for (int j = 0; j < count; j++) {
            int group = groups[firstGroup + j];
            int from = at + j * Tile.COLUMNS;
            for (int half = from; half < from + Tile.COLUMNS; half += HALF) {
                int scaleAt = group + half - from;
                FloatVector want = FloatVector.fromArray(LANES, wanted, half);
                FloatVector asked = want.add(FloatVector.fromArray(LANES, owed, half));
                FloatVector minimum = FloatVector.fromArray(LANES, scales.minimum, scaleAt);
                FloatVector level = asked.add(minimum).mul(FloatVector.fromArray(LANES, scales.inverse, scaleAt));
                if (scales.uneven) {
                    FloatVector uneven = FloatVector.broadcast(LANES, scales.low);
                    for (int k = 0; k < Scales.BORDERS; k++) {
                        uneven = uneven.add(scales.steps[k], level.compare(VectorOperators.GE, scales.borders[k]));
                    }
                    level = uneven;
                } else {
                    level = level.max(scales.low).min(scales.high).add(MAGIC).sub(MAGIC);
                }
                FloatVector chosen = level.mul(FloatVector.fromArray(LANES, scales.scale, scaleAt))
                        .sub(minimum);
                chosen.intoArray(value, half);
                want.sub(chosen).intoArray(error, half);
            }
            carry(error, from, owed, at, j + 1, count, square, j * count);
        }
    }

    /**
     * Coordinate descent's step: each column takes the level that makes the error least while all others stay.
     *
     * @param gradient of half the error by each column's value, with the sign turned: what the columns' errors ask for
     * @param change what values have lost in this pass; added to
     * @param inverseDiagonal of each column's own moment
     */
    static void descend(
            float[] value,
            float[] gradient,
            float[] change,
            int at,
            int count,
            Scales scales,
            int group,
            float[] square,
            float[] inverseDiagonal,
            int firstColumn) {
        for (int j = 0; j < count; j++) {
            int from = at + j * Tile.COLUMNS;
            float step = inverseDiagonal[firstColumn + j];
            boolean moved = false;
            for (int half = from; half < from + Tile.COLUMNS; half += HALF) {
                int scaleAt = group + half - from;
                FloatVector old = FloatVector.fromArray(LANES, value, half);
                FloatVector minimum = FloatVector.fromArray(LANES, scales.minimum, scaleAt);
                FloatVector level = FloatVector.fromArray(LANES, gradient, half)
                        .mul(step)
                        .add(old)
                        .add(minimum)
                        .mul(FloatVector.fromArray(LANES, scales.inverse, scaleAt));
                if (scales.uneven) {
                    FloatVector uneven = FloatVector.broadcast(LANES, scales.low);
                    for (int k = 0; k < Scales.BORDERS; k++) {
                        uneven = uneven.add(scales.steps[k], level.compare(VectorOperators.GE, scales.borders[k]));
                    }
                    level = uneven;
                } else {
                    level = level.max(scales.low).min(scales.high).add(MAGIC).sub(MAGIC);
                }
                FloatVector chosen = level.mul(FloatVector.fromArray(LANES, scales.scale, scaleAt))
                        .sub(minimum);
                FloatVector lost = old.sub(chosen);
                chosen.intoArray(value, half);
                lost.intoArray(scales.lost, half - from);
                lost.add(FloatVector.fromArray(LANES, change, half)).intoArray(change, half);
                moved |= lost.compare(VectorOperators.NE, 0).anyTrue();
            }
            if (moved) {
                carry(scales.lost, 0, gradient, at, 0, count, square, j * count);
            }
        }
    }

    /** {@code to[k] += square[j][k] · from} for columns {@code first .. end - 1} of the stretch. */
    private static void carry(
            float[] from, int fromAt, float[] to, int at, int first, int end, float[] square, int squareAt) {
        FloatVector low = FloatVector.fromArray(LANES, from, fromAt);
        FloatVector high = FloatVector.fromArray(LANES, from, fromAt + HALF);
        for (int k = first; k < end; k++) {
            int to0 = at + k * Tile.COLUMNS;
            FloatVector factor = FloatVector.broadcast(LANES, square[squareAt + k]);
            low.fma(factor, FloatVector.fromArray(LANES, to, to0)).intoArray(to, to0);
            high.fma(factor, FloatVector.fromArray(LANES, to, to0 + HALF)).intoArray(to, to0 + HALF);
        }
    }
}
