package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.LatticeForm;
import dev.quern.quantization.codes.ScaledForm;
import java.util.Arrays;

/**
 * Chooses all codes of up to {@link RowTile#ROWS} rows, each row's together: with {@code e} a row's errors and {@code H}
 * the moments of the layer's inputs, {@code e H eᵀ} becomes small. Scales first, by weighted search; then GPTQ in order
 * of falling moments; then coordinate descent over codes and scales in turns.
 */
final class CodeTile {
    private final ScaledForm form;
    private final int width;
    private final LayerMoments moments;
    private final Scales scales;
    private final ScaleRefit refit;
    private final TileCodes codes;
    private final float[] row;
    private final float[] ordered;
    private final float[] value;
    private final float[] gradient;
    private final float[] change;
    private final float[] settled;
    private final float[] square = new float[Stretch.LENGTH * Stretch.LENGTH];
    private final int[] groups;

    CodeTile(ScaledForm form, LayerMoments moments) {
        this.form = form;
        this.width = moments.width();
        this.moments = moments;
        this.scales = new Scales(form, width);
        this.refit = new ScaleRefit(scales, width);
        this.codes = switch (form) {
            case CodeForm own -> new ScalarCodes(own, scales, refit, moments);
            case LatticeForm lattice -> new LatticeCodes(lattice, scales, refit, moments);
        };
        this.row = new float[width];
        this.ordered = new float[RowTile.ROWS * width];
        this.value = new float[RowTile.ROWS * width];
        this.gradient = new float[RowTile.ROWS * width];
        this.change = new float[RowTile.ROWS * width];
        this.settled = new float[form.hasGroupScales() ? RowTile.ROWS * width : 0];
        this.groups = new int[width];
    }

    /**
     * @param target values to be met, as {@link RowTile} lays them
     * @param sweeps passes of the descent
     * @param out receives {@code rows} rows of blocks
     */
    void choose(float[] target, int rows, int sweeps, byte[] out) {
        scales.clear();
        for (int lane = 0; lane < rows; lane++) {
            RowTile.get(target, lane, width, row);
            codes.searchScales(row, lane);
        }
        propagate(target);
        differ(target);
        for (int sweep = 0; sweep < sweeps; sweep++) {
            descend();
        }
        int rowBytes = Math.toIntExact(form.type().bytesFor(width));
        for (int lane = 0; lane < rows; lane++) {
            RowTile.get(value, lane, width, row);
            codes.write(row, lane, out, lane * rowBytes);
        }
    }

    /** GPTQ with the scales as they are, in the moments' order. */
    private void propagate(float[] target) {
        int[] order = moments.order();
        moments.intoOrder(target, ordered);
        float[] owed = gradient;
        float[] error = change;
        Arrays.fill(owed, 0);
        Panels factor = moments.factor().panels();
        for (int chunk = 0; chunk < factor.chunks(); chunk++) {
            int begin = chunk * Panels.CHUNK;
            int end = begin + factor.length(chunk);
            for (int at = begin; at < end; at += Stretch.LENGTH) {
                int count = Math.min(Stretch.LENGTH, end - at);
                factor.copySquare(at, count, square);
                for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
                    for (int k = at; k < at + count; k++) {
                        groups[k] = (lanes * scales.groups + order[k] / form.group()) * Tile.COLUMNS;
                    }
                    codes.propagate(
                            ordered, owed, error, (lanes * width + at) * Tile.COLUMNS, at, count, groups, square);
                }
                factor.carry(error, at, at + count, owed, at + count, end);
            }
            factor.carry(error, begin, end, owed, end, width);
        }
        moments.outOfOrder(ordered, value);
    }

    /** What the errors ask for at each column. */
    private void differ(float[] target) {
        for (int i = 0; i < change.length; i++) {
            change[i] = target[i] - value[i];
        }
        Arrays.fill(gradient, 0);
        Panels panels = moments.panels();
        for (int chunk = 0; chunk < panels.chunks(); chunk++) {
            int begin = chunk * Panels.CHUNK;
            panels.carry(change, begin, begin + panels.length(chunk), gradient, 0, width);
        }
    }

    /** One pass over all columns, a group's scale before its codes. */
    private void descend() {
        Panels panels = moments.panels();
        int count = form.group();
        Arrays.fill(change, 0);
        for (int chunk = 0; chunk < panels.chunks(); chunk++) {
            int begin = chunk * Panels.CHUNK;
            int end = begin + panels.length(chunk);
            if (form.hasGroupScales()) {
                refit.block(chunk, panels, value, gradient, settled);
            }
            for (int at = begin; at < end; at += count) {
                panels.copySquare(at, count, square);
                for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
                    codes.descend(lanes, at, square, value, gradient, change);
                }
                panels.carry(change, at, at + count, gradient, begin, at);
                panels.carry(change, at, at + count, gradient, at + count, end);
            }
            if (form.hasGroupScales()) {
                addSettled(begin, end);
            }
            panels.carry(change, begin, end, gradient, 0, begin);
            panels.carry(change, begin, end, gradient, end, width);
        }
    }

    /** What came of a block's factors: its own chunk has known it from the start, the others hear of it with the rest. */
    private void addSettled(int begin, int end) {
        for (int lanes = 0; lanes < RowTile.GROUPS; lanes++) {
            for (int i = (lanes * width + begin) * Tile.COLUMNS; i < (lanes * width + end) * Tile.COLUMNS; i++) {
                change[i] += settled[i];
                settled[i] = 0;
            }
        }
    }
}
