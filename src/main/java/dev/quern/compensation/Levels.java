package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.CodeForm;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** A form's levels, and the nearest of them for 16 rows side by side. */
final class Levels {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final int HALF = 8;

    /** Between 16 uneven levels. */
    private static final int BORDERS = 15;

    /** Adding it leaves a float of magnitude below 2^22 rounded to nearest even. */
    private static final float MAGIC = 12582912f;

    private final boolean uneven;
    private final float low;
    private final float high;

    /** Of uneven levels: the steps from each to the next, and the borders between them. */
    private final float[] steps = new float[BORDERS];

    private final float[] borders = new float[BORDERS];

    Levels(CodeForm form) {
        this.uneven = form.isUneven();
        this.low = form.level(form.lowestCode());
        this.high = form.level(form.highestCode());
        if (uneven) {
            for (int i = 0; i < BORDERS; i++) {
                steps[i] = form.level(i + 1) - form.level(i);
                borders[i] = (form.level(i + 1) + form.level(i)) / 2;
            }
        }
    }

    /**
     * {@code level · scale - minimum} with the level for which that is nearest to what is asked for.
     *
     * @param inverse of scales; 0 where there is none
     * @param group where the 16 rows' scales, inverses and minima lie
     */
    void choose(
            float[] asked, int at, float[] scale, float[] inverse, float[] minimum, int group, float[] chosen, int to) {
        for (int half = 0; half < Tile.COLUMNS; half += HALF) {
            FloatVector less = FloatVector.fromArray(LANES, minimum, group + half);
            FloatVector level = FloatVector.fromArray(LANES, asked, at + half)
                    .add(less)
                    .mul(FloatVector.fromArray(LANES, inverse, group + half));
            if (uneven) {
                FloatVector stepped = FloatVector.broadcast(LANES, low);
                for (int k = 0; k < BORDERS; k++) {
                    stepped = stepped.add(steps[k], level.compare(VectorOperators.GE, borders[k]));
                }
                level = stepped;
            } else {
                level = level.max(low).min(high).add(MAGIC).sub(MAGIC);
            }
            level.mul(FloatVector.fromArray(LANES, scale, group + half))
                    .sub(less)
                    .intoArray(chosen, to + half);
        }
    }

    /** The code of a value's level. */
    int code(float level, CodeForm form) {
        if (uneven) {
            int code = 0;
            while (code < BORDERS && level >= borders[code]) {
                code++;
            }
            return code;
        }
        return Math.clamp((int) Math.rint(level) + form.centre(), form.lowestCode(), form.highestCode());
    }
}
