package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.CodeForm;
import java.util.Arrays;

/**
 * Tries other scales and minima for a group, each with all of the group's codes chosen anew under the moments among its
 * columns, and takes the one with which the error falls most; for 16 rows side by side, each with a choice of its own.
 * Where a least-squares move of the scale keeps the codes, this leaves them behind.
 */
final class GroupSearch {
    /** Of types whose groups have an F16 scale of their own: steps tried to either side, and how far one goes. */
    private static final int FREE_STEPS = 6;

    private static final float FREE_STEP = 0.015f;

    /** A minimum of F16 moves by this part of the scale. */
    private static final float FREE_MINIMUM_STEP = 0.25f;

    private final CodeForm form;
    private final Levels levels;
    private final Scales scales;
    private final int width;
    private final float[] diagonal;
    private final float[] inverseDiagonal;

    private final float[] trial = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] owed = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] best = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] asked = new float[Tile.COLUMNS];
    private final float[] moved = new float[Tile.COLUMNS];
    private final float[] fall = new float[Tile.COLUMNS];
    private final float[] bestFall = new float[Tile.COLUMNS];

    /** Of each row what is being tried, and what was best. */
    private final float[] scale = new float[Tile.COLUMNS];

    private final float[] inverse = new float[Tile.COLUMNS];
    private final float[] minimum = new float[Tile.COLUMNS];
    private final float[] scaleCode = new float[Tile.COLUMNS];
    private final float[] minimumCode = new float[Tile.COLUMNS];
    private final float[] bestScale = new float[Tile.COLUMNS];
    private final float[] bestMinimum = new float[Tile.COLUMNS];

    GroupSearch(CodeForm form, Levels levels, Scales scales, LayerMoments moments) {
        this.form = form;
        this.levels = levels;
        this.scales = scales;
        this.width = moments.width();
        this.diagonal = moments.weights();
        this.inverseDiagonal = moments.inverseDiagonal();
    }

    /**
     * One group, for 16 rows.
     *
     * @param first the group's first column
     * @param square the moments among the group's columns
     */
    void search(int lanes, int first, float[] square, float[] value, float[] gradient, float[] change) {
        int at = (lanes * width + first) * Tile.COLUMNS;
        int groupAt = (lanes * scales.groups + first / form.group()) * Tile.COLUMNS;
        int blockAt = (lanes * scales.blocks + first / form.block()) * Tile.COLUMNS;
        Arrays.fill(bestFall, 0);
        boolean any = false;
        int steps = form.hasGroupScales() ? 1 : FREE_STEPS;
        int reach = form.hasMinima() ? 1 : 0;
        boolean turns = form.hasGroupScales() ? form.lowestScale() < 0 : !form.hasMinima();
        for (int sign = 1; sign >= (turns ? -1 : 1); sign -= 2) {
            for (int a = -steps; a <= steps; a++) {
                for (int b = -reach; b <= reach; b++) {
                    if (sign != 1 || a != 0 || b != 0) {
                        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                            if (form.hasGroupScales()) {
                                tryIntegers(lane, groupAt + lane, blockAt + lane, sign, a, b);
                            } else {
                                tryFactors(lane, blockAt + lane, sign, a, b);
                            }
                        }
                        any |= tried(at, first, square, value, gradient);
                    }
                }
            }
        }
        if (any) {
            take(at, groupAt, blockAt, square, value, gradient, change);
        }
    }

    private void tryIntegers(int lane, int group, int block, int sign, int a, int b) {
        float s = sign * scales.scaleCode[group] + a;
        float m = scales.minimumCode[group] + b;
        boolean inside =
                s >= form.lowestScale() && s <= form.highestScale() && s != 0 && m >= 0 && m <= form.highestMinimum();
        scaleCode[lane] = s;
        minimumCode[lane] = m;
        set(lane, inside ? scales.d[block] * s : 0, scales.dmin[block] * m);
    }

    private void tryFactors(int lane, int block, int sign, int a, int b) {
        float d = scales.d[block];
        float s = half(sign * d * (1 + a * FREE_STEP));
        float m = half(scales.dmin[block] - b * FREE_MINIMUM_STEP * d);
        scaleCode[lane] = s;
        minimumCode[lane] = m;
        set(lane, Float.isFinite(s) && Float.isFinite(m) ? s : 0, form.hasMinima() ? m : 0);
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
    private boolean tried(int at, int first, float[] square, float[] value, float[] gradient) {
        int count = form.group();
        System.arraycopy(value, at, trial, 0, count * Tile.COLUMNS);
        System.arraycopy(gradient, at, owed, 0, count * Tile.COLUMNS);
        Arrays.fill(fall, 0);
        for (int j = 0; j < count; j++) {
            int from = j * Tile.COLUMNS;
            Lanes.ask(trial, owed, inverseDiagonal[first + j], from, asked);
            System.arraycopy(trial, from, moved, 0, Tile.COLUMNS);
            levels.choose(asked, 0, scale, inverse, minimum, 0, trial, from);
            fall(moved, trial, owed, from, diagonal[first + j], fall);
            Lanes.carry(moved, 0, owed, 0, 0, count, square, j * count);
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

    /** From old values to what they have lost, and what the error has fallen by with that. */
    private static void fall(float[] old, float[] value, float[] owed, int at, float own, float[] fall) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            float gained = value[at + lane] - old[lane];
            old[lane] = -gained;
            fall[lane] += gained * (owed[at + lane] + owed[at + lane] - gained * own);
        }
    }

    private void take(
            int at, int groupAt, int blockAt, float[] square, float[] value, float[] gradient, float[] change) {
        int count = form.group();
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
                Lanes.carry(moved, 0, gradient, at, 0, count, square, j * count);
            }
        }
    }
}
