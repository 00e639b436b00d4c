package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.ScaledForm;
import java.util.Arrays;

/**
 * Scales and minima as further coordinates of the descent: with all codes as they are, a group's scale and minimum (or
 * a block's factors of them) move to where the error is least, as far as their own rounding allows, and only if the
 * error falls.
 *
 * <p>With {@code u} the levels of a group, its values move by {@code ds · u - dm}: the error changes by
 * {@code -2 (ds g·u - dm g·1) + ds² uᵀHu - 2 ds dm uᵀH1 + dm² 1ᵀH1}.
 */
final class ScaleRefit {
    private final ScaledForm form;
    private final Scales scales;
    private final int width;
    private final float[] levels = new float[Panels.CHUNK * Tile.COLUMNS];
    private final float[] answers = new float[Stretch.LENGTH * Tile.COLUMNS];
    private final float[] ones = new float[Stretch.LENGTH];
    private final double[] byLevels = new double[Tile.COLUMNS];
    private final double[] byOnes = new double[Tile.COLUMNS];
    private final double[] squares = new double[Tile.COLUMNS];
    private final double[] mixed = new double[Tile.COLUMNS];
    private final double[] onesSquared = new double[Tile.COLUMNS];
    private final float[] scaleMoves = new float[Tile.COLUMNS];
    private final float[] minimumMoves = new float[Tile.COLUMNS];
    private final float[] direction;
    private final float[] directionAnswers;
    private final float[] minima;
    private final float[] minimaAnswers;

    ScaleRefit(Scales scales, int width) {
        this.form = scales.form;
        this.scales = scales;
        this.width = width;
        int size = form.hasGroupScales() ? RowTile.ROWS * width : 0;
        this.direction = new float[size];
        this.directionAnswers = new float[size];
        this.minima = new float[form.hasMinima() ? size : 0];
        this.minimaAnswers = new float[form.hasMinima() ? size : 0];
    }

    /**
     * One group's scale and minimum, for 16 rows.
     *
     * @param first the group's first column
     * @param square the moments among the group's columns
     */
    void group(int lanes, int first, float[] square, float[] value, float[] gradient, float[] change) {
        int count = form.group();
        int at = (lanes * width + first) * Tile.COLUMNS;
        int groupAt = (lanes * scales.groups + first / count) * Tile.COLUMNS;
        measure(at, count, groupAt, square, value, gradient);
        boolean moved = false;
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            scaleMoves[lane] = 0;
            minimumMoves[lane] = 0;
            moved |= form.hasGroupScales()
                    ? moveIntegers(lane, groupAt + lane, blockAt(lanes, first) + lane)
                    : moveFactors(lane, groupAt + lane, blockAt(lanes, first) + lane);
        }
        if (!moved) {
            return;
        }
        for (int j = 0; j < count; j++) {
            apply(
                    levels,
                    j * Tile.COLUMNS,
                    answers,
                    ones[j],
                    scaleMoves,
                    minimumMoves,
                    value,
                    gradient,
                    change,
                    at + j * Tile.COLUMNS);
        }
    }

    private int blockAt(int lanes, int column) {
        return (lanes * scales.blocks + column / form.block()) * Tile.COLUMNS;
    }

    private void measure(int at, int count, int groupAt, float[] square, float[] value, float[] gradient) {
        Arrays.fill(answers, 0, count * Tile.COLUMNS, 0);
        for (int j = 0; j < count; j++) {
            level(value, at + j * Tile.COLUMNS, scales.minimum, scales.inverse, groupAt, levels, j * Tile.COLUMNS);
        }
        for (int j = 0; j < count; j++) {
            float sum = 0;
            for (int k = 0; k < count; k++) {
                sum += square[j * count + k];
                Lanes.addTimes(levels, j * Tile.COLUMNS, square[j * count + k], answers, k * Tile.COLUMNS);
            }
            ones[j] = sum;
        }
        Arrays.fill(byLevels, 0);
        Arrays.fill(byOnes, 0);
        Arrays.fill(squares, 0);
        Arrays.fill(mixed, 0);
        double total = 0;
        for (int j = 0; j < count; j++) {
            total += ones[j];
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                float u = levels[j * Tile.COLUMNS + lane];
                float g = gradient[at + j * Tile.COLUMNS + lane];
                byLevels[lane] += g * u;
                byOnes[lane] += g;
                squares[lane] += u * answers[j * Tile.COLUMNS + lane];
                mixed[lane] += ones[j] * u;
            }
        }
        Arrays.fill(onesSquared, total);
    }

    private static void level(
            float[] value, int at, float[] minimum, float[] inverse, int groupAt, float[] out, int to) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            out[to + lane] = (float) Math.rint((value[at + lane] + minimum[groupAt + lane]) * inverse[groupAt + lane]);
        }
    }

    private static void apply(
            float[] levels,
            int levelsAt,
            float[] answers,
            float ones,
            float[] scaleMoves,
            float[] minimumMoves,
            float[] value,
            float[] gradient,
            float[] change,
            int at) {
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            float move = scaleMoves[lane] * levels[levelsAt + lane] - minimumMoves[lane];
            value[at + lane] += move;
            change[at + lane] -= move;
            gradient[at + lane] -= scaleMoves[lane] * answers[levelsAt + lane] - minimumMoves[lane] * ones;
        }
    }

    /** By how much the error falls with these moves. */
    private double fall(int lane, double scale, double minimum) {
        return 2 * (scale * byLevels[lane] - minimum * byOnes[lane])
                - scale * scale * squares[lane]
                + 2 * scale * minimum * mixed[lane]
                - minimum * minimum * onesSquared[lane];
    }

    /** The free optimum of both moves, or of the scale's alone. */
    private double[] wanted(int lane) {
        double determinant = squares[lane] * onesSquared[lane] - mixed[lane] * mixed[lane];
        if (form.hasMinima() && determinant > 1e-9 * squares[lane] * onesSquared[lane]) {
            return new double[] {
                (byLevels[lane] * onesSquared[lane] - byOnes[lane] * mixed[lane]) / determinant,
                (byLevels[lane] * mixed[lane] - byOnes[lane] * squares[lane]) / determinant
            };
        }
        return new double[] {squares[lane] > 0 ? byLevels[lane] / squares[lane] : 0, 0};
    }

    private boolean moveIntegers(int lane, int group, int block) {
        float d = scales.d[block];
        if (d == 0 || scales.scale[group] == 0) {
            return false;
        }
        double[] wanted = wanted(lane);
        float dmin = scales.dmin[block];
        double best = 0;
        float bestScale = scales.scaleCode[group];
        float bestMinimum = scales.minimumCode[group];
        float freeScale = (float) ((scales.scale[group] + wanted[0]) / d);
        float scale = form.nearestScale(freeScale);
        if (scale == 0) {
            scale = scales.scaleCode[group];
        }
        double scaleMove = (double) d * (scale - scales.scaleCode[group]);
        float minimum = bestMinimum;
        if (form.hasMinima() && dmin != 0) {
            // Of the minimum what is best once the scale has been rounded.
            double move = onesSquared[lane] > 0 ? (scaleMove * mixed[lane] - byOnes[lane]) / onesSquared[lane] : 0;
            minimum = Math.clamp((float) Math.rint((scales.minimum[group] + move) / dmin), 0, form.highestMinimum());
        }
        for (int kind = 1; kind < 4; kind++) {
            float s = (kind & 1) == 0 ? scales.scaleCode[group] : scale;
            float m = (kind & 2) == 0 ? scales.minimumCode[group] : minimum;
            double fall = fall(
                    lane, (double) d * (s - scales.scaleCode[group]), (double) dmin * (m - scales.minimumCode[group]));
            if (fall > best) {
                best = fall;
                bestScale = s;
                bestMinimum = m;
            }
        }
        if (best <= 0) {
            return false;
        }
        float oldScale = scales.scale[group];
        float oldMinimum = scales.minimum[group];
        scales.scaleCode[group] = bestScale;
        scales.minimumCode[group] = bestMinimum;
        scales.update(group, block);
        scaleMoves[lane] = scales.scale[group] - oldScale;
        minimumMoves[lane] = scales.minimum[group] - oldMinimum;
        return true;
    }

    private boolean moveFactors(int lane, int group, int block) {
        if (scales.d[block] == 0) {
            return false;
        }
        double[] wanted = wanted(lane);
        float d = half(scales.d[block] + wanted[0], scales.d[block]);
        float dmin = form.hasMinima() ? half(scales.dmin[block] + wanted[1], scales.dmin[block]) : 0;
        if (fall(lane, (double) d - scales.d[block], (double) dmin - scales.dmin[block]) <= 0) {
            return false;
        }
        scaleMoves[lane] = d - scales.d[block];
        minimumMoves[lane] = dmin - scales.dmin[block];
        scales.d[block] = d;
        scales.dmin[block] = dmin;
        scales.update(group, block);
        return true;
    }

    /** The nearest value that F16 holds, unless it is nothing or beyond its range. */
    private static float half(double wanted, float otherwise) {
        float rounded = Float.float16ToFloat(Float.floatToFloat16((float) wanted));
        return rounded == 0 || !Float.isFinite(rounded) ? otherwise : rounded;
    }

    /** The factors of one block of groups; the block's columns are a chunk of the panels. */
    void block(int block, Panels moments, float[] value, float[] gradient, float[] change) {
        int first = block * form.block();
        int end = first + form.block();
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            int begin = (lanes * width + first) * Tile.COLUMNS;
            Arrays.fill(directionAnswers, begin, begin + form.block() * Tile.COLUMNS, 0);
            if (form.hasMinima()) {
                Arrays.fill(minimaAnswers, begin, begin + form.block() * Tile.COLUMNS, 0);
            }
            for (int column = first; column < end; column++) {
                int at = (lanes * width + column) * Tile.COLUMNS;
                int group = (lanes * scales.groups + column / form.group()) * Tile.COLUMNS;
                level(value, at, scales.minimum, scales.inverse, group, direction, at);
                for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                    direction[at + lane] *= scales.scaleCode[group + lane];
                    if (form.hasMinima()) {
                        minima[at + lane] = scales.minimumCode[group + lane];
                    }
                }
            }
        }
        moments.carry(direction, first, end, directionAnswers, first, end);
        if (form.hasMinima()) {
            moments.carry(minima, first, end, minimaAnswers, first, end);
        }
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            moveBlock(lanes, block, first, end, value, gradient, change);
        }
    }

    private void moveBlock(int lanes, int block, int first, int end, float[] value, float[] gradient, float[] change) {
        Arrays.fill(byLevels, 0);
        Arrays.fill(byOnes, 0);
        Arrays.fill(squares, 0);
        Arrays.fill(mixed, 0);
        Arrays.fill(onesSquared, 0);
        for (int column = first; column < end; column++) {
            int at = (lanes * width + column) * Tile.COLUMNS;
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                float u = direction[at + lane];
                float g = gradient[at + lane];
                byLevels[lane] += g * u;
                squares[lane] += u * directionAnswers[at + lane];
                if (form.hasMinima()) {
                    float m = minima[at + lane];
                    byOnes[lane] += g * m;
                    mixed[lane] += m * directionAnswers[at + lane];
                    onesSquared[lane] += m * minimaAnswers[at + lane];
                }
            }
        }
        int blockAt = (lanes * scales.blocks + block) * Tile.COLUMNS;
        boolean moved = false;
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            scaleMoves[lane] = 0;
            minimumMoves[lane] = 0;
            float oldD = scales.d[blockAt + lane];
            float oldDmin = scales.dmin[blockAt + lane];
            if (oldD == 0) {
                continue;
            }
            double[] wanted = wanted(lane);
            float d = half(oldD + wanted[0], oldD);
            float dmin = form.hasMinima() && oldDmin != 0 ? Math.max(0, half(oldDmin + wanted[1], oldDmin)) : oldDmin;
            if (form.hasMinima() && d < 0 || fall(lane, (double) d - oldD, (double) dmin - oldDmin) <= 0) {
                continue;
            }
            moved = true;
            scaleMoves[lane] = d - oldD;
            minimumMoves[lane] = dmin - oldDmin;
            scales.d[blockAt + lane] = d;
            scales.dmin[blockAt + lane] = dmin;
        }
        if (!moved) {
            return;
        }
        for (int group = first / form.group(); group < end / form.group(); group++) {
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                scales.update((lanes * scales.groups + group) * Tile.COLUMNS + lane, blockAt + lane);
            }
        }
        for (int column = first; column < end; column++) {
            int at = (lanes * width + column) * Tile.COLUMNS;
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                float minimum = form.hasMinima() ? minimumMoves[lane] : 0;
                float move = scaleMoves[lane] * direction[at + lane];
                float answer = scaleMoves[lane] * directionAnswers[at + lane];
                if (form.hasMinima()) {
                    move -= minimum * minima[at + lane];
                    answer -= minimum * minimaAnswers[at + lane];
                }
                value[at + lane] += move;
                change[at + lane] -= move;
                gradient[at + lane] -= answer;
            }
        }
    }
}
