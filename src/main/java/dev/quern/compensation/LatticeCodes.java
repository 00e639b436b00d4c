package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.codes.LatticeForm;
import dev.quern.quantization.codes.LatticeRow;
import java.util.Arrays;

/**
 * Points of a grid for eight values at a time, all of them chosen for what they do together: where single codes know the
 * moment of their own column, these know the square of moments among the eight.
 */
final class LatticeCodes implements TileCodes {
    /** Columns that are chosen together. */
    private static final int COUNT = LatticeForm.SIGNS;

    private final LatticeForm form;
    private final LayerMoments moments;
    private final int width;
    private final Scales scales;
    private final ScaleRefit refit;
    private final BlockCodec reference;
    private final byte[] blocks;
    private final LatticeRow coded;
    private final ClosestPoint closest;
    private final int[] levelOf;

    /** Of each eight columns of a stretch, or of a group: the moments among them, and what solves with those. */
    private final Metric[] metrics = new Metric[Stretch.LENGTH / COUNT];

    // Of one row's group: what it is and what it owes, then what is tried, and the best of that.
    private final float[] value = new float[Stretch.LENGTH];
    private final float[] owed = new float[Stretch.LENGTH];
    private final float[] tried = new float[Stretch.LENGTH];
    private final float[] triedOwed = new float[Stretch.LENGTH];
    private final float[] best = new float[Stretch.LENGTH];
    private final float[] wanted = new float[COUNT];
    private final float[] lost = new float[Stretch.LENGTH * Tile.COLUMNS];

    LatticeCodes(LatticeForm form, Scales scales, ScaleRefit refit, LayerMoments moments) {
        this.form = form;
        this.moments = moments;
        this.width = moments.width();
        this.scales = scales;
        this.refit = refit;
        this.reference = Codecs.create(form.type(), Kernel.fastest());
        this.blocks = new byte[Math.toIntExact(form.type().bytesFor(width))];
        this.coded = LatticeRow.of(form, width);
        this.closest = new ClosestPoint(form);
        this.levelOf = levelOf(form);
        for (int i = 0; i < metrics.length; i++) {
            metrics[i] = new Metric();
        }
    }

    /** By a decoded value the number of its level. */
    private static int[] levelOf(LatticeForm form) {
        int[] levels = new int[Byte.MAX_VALUE + 1];
        for (int point = 0; point < form.grid().size(); point++) {
            for (int i = 0; i < form.grid().dimension(); i++) {
                int mask = (1 << form.grid().levelBits()) - 1;
                levels[form.grid().value(point, i)] =
                        form.grid().code(point) >> i * form.grid().levelBits() & mask;
            }
        }
        return levels;
    }

    @Override
    public void searchScales(float[] row, int lane) {
        try {
            reference.quantize(row, 0, width, moments.weights(), blocks, 0);
        } catch (ArithmeticException e) {
            // Beyond F16's range. A row of zeros is no choice, and judging keeps the reference's blocks or refuses
            // them.
            Arrays.fill(blocks, (byte) 0);
        }
        coded.readScales(blocks, 0);
        scales.put(coded.d(), new float[scales.blocks], lane);
        for (int group = 0; group < scales.groups; group++) {
            scales.put(form.scale(coded.steps()[group]), 0, group, lane);
        }
    }

    @Override
    public void propagate(
            float[] values,
            float[] owedAll,
            float[] error,
            int at,
            int first,
            int count,
            int[] groups,
            float[] square) {
        for (int vector = 0; vector < count; vector += COUNT) {
            Metric metric = metrics[vector / COUNT];
            metric.ofFactor(square, count, vector, moments.factor().diagonal(), first + vector);
            int from = at + vector * Tile.COLUMNS;
            int group = groups[first + vector];
            for (int lane = 0; lane < Tile.COLUMNS; lane++) {
                for (int i = 0; i < COUNT; i++) {
                    value[i] = values[from + i * Tile.COLUMNS + lane];
                    owed[i] = owedAll[from + i * Tile.COLUMNS + lane];
                }
                metric.answer(owed, 0, value, 0, wanted);
                closest.choose(metric.square, wanted, scales.scale[group + lane], tried, 0);
                for (int i = 0; i < COUNT; i++) {
                    values[from + i * Tile.COLUMNS + lane] = tried[i];
                    error[from + i * Tile.COLUMNS + lane] = value[i] - tried[i];
                }
            }
            for (int i = 0; i < COUNT; i++) {
                Lanes.carry(
                        error,
                        from + i * Tile.COLUMNS,
                        owedAll,
                        at,
                        vector + COUNT,
                        count,
                        square,
                        (vector + i) * count);
            }
        }
    }

    @Override
    public void descend(int lanes, int first, float[] square, float[] values, float[] gradient, float[] change) {
        refit.group(lanes, first, square, values, gradient, change);
        int count = form.group();
        int at = (lanes * width + first) * Tile.COLUMNS;
        int groupAt = (lanes * scales.groups + first / count) * Tile.COLUMNS;
        int blockAt = (lanes * scales.blocks + first / form.block()) * Tile.COLUMNS;
        if (lanes == 0) {
            for (int vector = 0; vector < count; vector += COUNT) {
                metrics[vector / COUNT].ofMoments(square, count, vector);
            }
        }
        boolean any = false;
        for (int lane = 0; lane < Tile.COLUMNS; lane++) {
            for (int i = 0; i < count; i++) {
                value[i] = values[at + i * Tile.COLUMNS + lane];
                owed[i] = gradient[at + i * Tile.COLUMNS + lane];
            }
            boolean better =
                    scales.d[blockAt + lane] != 0 && searchGroup(groupAt + lane, blockAt + lane, count, square);
            any |= better;
            for (int i = 0; i < count; i++) {
                float less = better ? value[i] - best[i] : 0;
                lost[i * Tile.COLUMNS + lane] = less;
                values[at + i * Tile.COLUMNS + lane] -= less;
                change[at + i * Tile.COLUMNS + lane] += less;
            }
        }
        if (any) {
            for (int i = 0; i < count; i++) {
                Lanes.carry(lost, i * Tile.COLUMNS, gradient, at, 0, count, square, i * count);
            }
        }
    }

    /** Tries the scales beside a row's own, and its own, each with all points anew; whether the error falls. */
    private boolean searchGroup(int group, int block, int count, float[] square) {
        int step = form.step(scales.scaleCode[group]);
        float bestFall = 0;
        int bestStep = -1;
        for (int trial = Math.max(0, step - 1); trial <= Math.min(LatticeForm.HIGHEST_STEP, step + 1); trial++) {
            float fall = tryScale(scales.d[block] * form.scale(trial), trial == step, count, square);
            if (fall > bestFall) {
                bestFall = fall;
                bestStep = trial;
                System.arraycopy(tried, 0, best, 0, count);
            }
        }
        if (bestStep < 0) {
            return false;
        }
        if (bestStep != step) {
            scales.scaleCode[group] = form.scale(bestStep);
            scales.update(group, block);
        }
        return true;
    }

    /** By how much the error falls with all points anew. With the scale that the values have, each may stay. */
    private float tryScale(float scale, boolean own, int count, float[] square) {
        System.arraycopy(value, 0, tried, 0, count);
        System.arraycopy(owed, 0, triedOwed, 0, count);
        float fall = 0;
        for (int vector = 0; vector < count; vector += COUNT) {
            Metric metric = metrics[vector / COUNT];
            metric.answer(triedOwed, vector, value, vector, wanted);
            closest.choose(metric.square, wanted, scale, tried, vector);
            float fallen = metric.fall(value, tried, triedOwed, vector);
            if (own && fallen <= 0) {
                System.arraycopy(value, vector, tried, vector, COUNT);
                continue;
            }
            fall += fallen;
            for (int i = vector; i < vector + COUNT; i++) {
                float moved = tried[i] - value[i];
                if (moved != 0) {
                    for (int k = 0; k < count; k++) {
                        triedOwed[k] -= moved * square[i * count + k];
                    }
                }
            }
        }
        return fall;
    }

    @Override
    public void write(float[] values, int lane, byte[] out, int to) {
        for (int block = 0; block < scales.blocks; block++) {
            coded.d()[block] = scales.d[RowTile.at(lane, block, scales.blocks)];
        }
        int dimension = form.grid().dimension();
        for (int group = 0; group < scales.groups; group++) {
            int at = RowTile.at(lane, group, scales.groups);
            coded.steps()[group] = (byte) form.step(scales.scaleCode[at]);
            int first = group * form.group();
            for (int i = first; i < first + form.group(); i += COUNT) {
                int signs = 0;
                for (int half = 0; half < COUNT; half += dimension) {
                    int code = 0;
                    for (int k = half; k < half + dimension; k++) {
                        int level = Math.round(values[i + k] * scales.inverse[at]);
                        signs |= level < 0 ? 1 << k : 0;
                        code |= levelOf[Math.abs(level)]
                                << (k - half) * form.grid().levelBits();
                    }
                    coded.points()[(i + half) / dimension] = (char) Math.max(0, form.pointAt(code));
                }
                coded.signs()[i / COUNT] = (byte) signs;
            }
        }
        coded.write(out, to);
    }
}
