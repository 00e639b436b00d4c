package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.CodeForm;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Tries other scales and minima for a group, each with all of the group's codes chosen anew under the moments among its
 * columns, and takes the one with which the error falls most; for 16 rows side by side, each with a choice of its own.
 * Where a least-squares move of the scale keeps the codes, this leaves them behind.
 */
final class GroupSearch {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;
    private static final int HALF = 8;
    private static final float MAGIC = 12582912f;

    /** Of types whose groups have an F16 scale of their own: steps tried to either side, and how far one goes. */
    private static final int FREE_STEPS = 6;

    private static final float FREE_STEP = 0.015f;

    private final CodeForm form;
    private final Scales scales;
    private final int width;
    private final float[] trial = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] asked = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] best = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] fall = new float[Tile.COLUMNS];
    private final float[] bestFall = new float[Tile.COLUMNS];
    private final float[] scale = new float[Tile.COLUMNS];
    private final float[] inverse = new float[Tile.COLUMNS];
    private final float[] minimum = new float[Tile.COLUMNS];
    private final float[] scaleCode = new float[Tile.COLUMNS];
    private final float[] minimumCode = new float[Tile.COLUMNS];
    private final float[] bestScale = new float[Tile.COLUMNS];
    private final float[] bestMinimum = new float[Tile.COLUMNS];
    private final float[] moved = new float[Tile.COLUMNS];

    GroupSearch(Scales scales, int width) {
        this.form = scales.form;
        this.scales = scales;
        this.width = width;
    }

    /**
     * @param first the group's first column
     * @param square the moments among the group's columns
     * @param diagonal of all columns' own moments
     */
    void search(
            int lanes,
            int first,
            float[] square,
            float[] diagonal,
            float[] inverseDiagonal,
            float[] value,
            float[] gradient,
            float[] change) {
        int count = form.group();
        int at = (lanes * width + first) * Tile.COLUMNS;
        int groupAt = (lanes * scales.groups + first / count) * Tile.COLUMNS;
        int blockAt = (lanes * scales.blocks + first / form.block()) * Tile.COLUMNS;
        // A fall that is smaller is rounding.
        Arrays.fill(bestFall, 0);
        boolean any = form.hasGroupScales()
                ? integers(at, count, first, groupAt, blockAt, square, diagonal, inverseDiagonal, value, gradient)
                : factors(at, count, first, blockAt, square, diagonal, inverseDiagonal, value, gradient);
        if (any) {
            take(at, count, groupAt, blockAt, square, value, gradient, change);
        }
    }

    private boolean integers(
            int at,
            int count,
            int first,
            int groupAt,
            int blockAt,
            float[] square,
            float[] diagonal,
            float[] inverseDiagonal,
            float[] value,
            float[] gradient) {
        boolean any = false;
        int reach = form.hasMinima() ? 1 : 0;
        for (int sign = 1; sign >= (form.lowestScale() < 0 ? -1 : 1); sign -= 2) {
            for (int a = -1; a <= 1; a++) {
                for (int b = -reach; b <= reach; b++) {
                    if (sign == 1 && a == 0 && b == 0) {
                        continue;
                    }
                    for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                        float s = sign * scales.scaleCode[groupAt + lane] + a;
                        float m = scales.minimumCode[groupAt + lane] + b;
                        boolean inside = s >= form.lowestScale()
                                && s <= form.highestScale()
                                && s != 0
                                && m >= 0
                                && m <= form.highestMinimum();
                        scaleCode[lane] = s;
                        minimumCode[lane] = m;
                        set(lane, inside ? scales.d[blockAt + lane] * s : 0, scales.dmin[blockAt + lane] * m);
                    }
                    any |= tried(at, count, first, square, diagonal, inverseDiagonal, value, gradient);
                }
            }
        }
        return any;
    }

    private boolean factors(
            int at,
            int count,
            int first,
            int blockAt,
            float[] square,
            float[] diagonal,
            float[] inverseDiagonal,
            float[] value,
            float[] gradient) {
        boolean any = false;
        int reach = form.hasMinima() ? 1 : 0;
        for (int sign = 1; sign >= (form.hasMinima() ? 1 : -1); sign -= 2) {
            for (int a = -FREE_STEPS; a <= FREE_STEPS; a++) {
                for (int b = -reach; b <= reach; b++) {
                    if (sign == 1 && a == 0 && b == 0) {
                        continue;
                    }
                    for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                        float d = scales.d[blockAt + lane];
                        float s = half(sign * d * (1 + a * FREE_STEP));
                        float m = half(scales.dmin[blockAt + lane] - b * 0.25f * d);
                        scaleCode[lane] = s;
                        minimumCode[lane] = m;
                        set(lane, Float.isFinite(s) && Float.isFinite(m) ? s : 0, form.hasMinima() ? m : 0);
                    }
                    any |= tried(at, count, first, square, diagonal, inverseDiagonal, value, gradient);
                }
            }
        }
        return any;
    }

    private static float half(float value) {
        return Float.float16ToFloat(Float.floatToFloat16(value));
    }

    /** A scale of 0 is none: the lane takes no part. */
    private void set(int lane, float s, float m) {
        scale[lane] = s;
        inverse[lane] = s == 0 ? 0 : 1 / s;
        minimum[lane] = m;
    }

    /** Tries what the lanes have; keeps it where the error falls most. */
    private boolean tried(
            int at,
            int count,
            int first,
            float[] square,
            float[] diagonal,
            float[] inverseDiagonal,
            float[] value,
            float[] gradient) {
        System.arraycopy(value, at, trial, 0, count * Tile.COLUMNS);
        System.arraycopy(gradient, at, asked, 0, count * Tile.COLUMNS);
        Arrays.fill(fall, 0);
        for (int j = 0; j < count; j++) {
            step(j, count, diagonal[first + j], inverseDiagonal[first + j], square);
        }
        boolean any = false;
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            if (scale[lane] != 0 && fall[lane] > bestFall[lane]) {
                any = true;
                bestFall[lane] = fall[lane];
                bestScale[lane] = scaleCode[lane];
                bestMinimum[lane] = minimumCode[lane];
                for (int j = 0; j < count; j++) {
                    best[j * Tile.COLUMNS + lane] = trial[j * Tile.COLUMNS + lane];
                }
            }
        }
        return any;
    }

    private void step(int j, int count, float own, float step, float[] square) {
        int from = j * Tile.COLUMNS;
        for (int half = 0; half < Tile.COLUMNS; half += HALF) {
            FloatVector old = FloatVector.fromArray(LANES, trial, from + half);
            FloatVector ask = FloatVector.fromArray(LANES, asked, from + half);
            FloatVector less = FloatVector.fromArray(LANES, minimum, half);
            FloatVector level = ask.mul(step).add(old).add(less).mul(FloatVector.fromArray(LANES, inverse, half));
            if (scales.uneven) {
                FloatVector uneven = FloatVector.broadcast(LANES, scales.low);
                for (int k = 0; k < Scales.BORDERS; k++) {
                    uneven = uneven.add(scales.steps[k], level.compare(VectorOperators.GE, scales.borders[k]));
                }
                level = uneven;
            } else {
                level = level.max(scales.low).min(scales.high).add(MAGIC).sub(MAGIC);
            }
            FloatVector chosen =
                    level.mul(FloatVector.fromArray(LANES, scale, half)).sub(less);
            FloatVector gained = chosen.sub(old);
            chosen.intoArray(trial, from + half);
            gained.neg().intoArray(moved, half);
            gained.mul(ask.add(ask).sub(gained.mul(own)))
                    .add(FloatVector.fromArray(LANES, fall, half))
                    .intoArray(fall, half);
        }
        carry(moved, asked, 0, count, square, j * count);
    }

    private static void carry(float[] from, float[] to, int at, int count, float[] square, int squareAt) {
        FloatVector low = FloatVector.fromArray(LANES, from, 0);
        FloatVector high = FloatVector.fromArray(LANES, from, HALF);
        for (int k = 0; k < count; k++) {
            int to0 = at + k * Tile.COLUMNS;
            FloatVector factor = FloatVector.broadcast(LANES, square[squareAt + k]);
            low.fma(factor, FloatVector.fromArray(LANES, to, to0)).intoArray(to, to0);
            high.fma(factor, FloatVector.fromArray(LANES, to, to0 + HALF)).intoArray(to, to0 + HALF);
        }
    }

    private void take(
            int at,
            int count,
            int groupAt,
            int blockAt,
            float[] square,
            float[] value,
            float[] gradient,
            float[] change) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            if (bestFall[lane] > 0) {
                if (form.hasGroupScales()) {
                    scales.scaleCode[groupAt + lane] = bestScale[lane];
                    scales.minimumCode[groupAt + lane] = bestMinimum[lane];
                } else {
                    scales.d[blockAt + lane] = bestScale[lane];
                    scales.dmin[blockAt + lane] = bestMinimum[lane];
                }
                scales.update(groupAt + lane, blockAt + lane);
            }
        }
        for (int j = 0; j < count; j++) {
            int column = at + j * Tile.COLUMNS;
            boolean any = false;
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                float lost = bestFall[lane] > 0 ? value[column + lane] - best[j * Tile.COLUMNS + lane] : 0;
                moved[lane] = lost;
                any |= lost != 0;
                value[column + lane] -= lost;
                change[column + lane] += lost;
            }
            if (any) {
                carry(moved, gradient, at, count, square, j * count);
            }
        }
    }
}
