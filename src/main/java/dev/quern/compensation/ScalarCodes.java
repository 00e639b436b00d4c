package dev.quern.compensation;

import dev.quern.evaluation.gemm.Tile;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.CodedRow;
import dev.quern.quantization.codes.RowFit;

/** A code for each value. */
final class ScalarCodes implements TileCodes {
    private final CodeForm form;
    private final LayerMoments moments;
    private final Levels levels;
    private final Scales scales;
    private final Stretch stretch;
    private final ScaleRefit refit;
    private final GroupSearch search;
    private final RowFit fit;
    private final CodedRow coded;

    ScalarCodes(CodeForm form, Scales scales, ScaleRefit refit, LayerMoments moments) {
        this.form = form;
        this.moments = moments;
        this.levels = new Levels(form);
        this.scales = scales;
        this.stretch = new Stretch(scales, levels);
        this.refit = refit;
        this.search = new GroupSearch(form, levels, scales, moments);
        this.fit = new RowFit(form);
        this.coded = CodedRow.of(form, moments.width());
    }

    @Override
    public void searchScales(float[] row, int lane) {
        fit.fit(row, 0, moments.weights(), coded);
        scales.put(coded.d(), coded.dmin(), lane);
        for (int group = 0; group < scales.groups; group++) {
            scales.put(coded.scales()[group], coded.minima()[group], group, lane);
        }
    }

    @Override
    public void propagate(
            float[] values, float[] owed, float[] error, int at, int first, int count, int[] groups, float[] square) {
        stretch.propagate(values, owed, error, at, count, groups, first, square);
    }

    @Override
    public void descend(int lanes, int first, float[] square, float[] value, float[] gradient, float[] change) {
        refit.group(lanes, first, square, value, gradient, change);
        search.search(lanes, first, square, value, gradient, change);
        stretch.descend(
                value,
                gradient,
                change,
                (lanes * moments.width() + first) * Tile.COLUMNS,
                form.group(),
                (lanes * scales.groups + first / form.group()) * Tile.COLUMNS,
                square,
                moments.inverseDiagonal(),
                first);
    }

    @Override
    public void write(float[] values, int lane, byte[] out, int to) {
        for (int block = 0; block < scales.blocks; block++) {
            int at = RowTile.at(lane, block, scales.blocks);
            coded.d()[block] = scales.d[at];
            coded.dmin()[block] = scales.dmin[at];
        }
        for (int group = 0; group < scales.groups; group++) {
            int at = RowTile.at(lane, group, scales.groups);
            coded.scales()[group] = (byte) scales.scaleCode[at];
            coded.minima()[group] = (byte) scales.minimumCode[at];
            int first = group * form.group();
            for (int i = first; i < first + form.group(); i++) {
                float level = (values[i] + scales.minimum[at]) * scales.inverse[at];
                coded.codes()[i] = (byte) levels.code(level, form);
            }
        }
        coded.write(out, to);
    }
}
