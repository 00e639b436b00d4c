package dev.quern.compensation;

import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.CodedRow;
import java.util.Arrays;

/**
 * A tile's scales and minima: for each group of columns and each of the tile's rows, what levels are multiplied by and
 * what is then taken away, and the integers and F16 factors that they come from.
 */
final class Scales {
    final CodeForm form;
    final int groups;
    final int blocks;
    final Levels levels;

    /** By group and lane, as {@link RowTile} lays columns. */
    final float[] scale;

    final float[] inverse;
    final float[] minimum;
    final float[] scaleCode;
    final float[] minimumCode;

    /** By block and lane. */
    final float[] d;

    final float[] dmin;

    Scales(CodeForm form, int width) {
        this.form = form;
        this.groups = width / form.group();
        this.blocks = width / form.block();
        this.levels = new Levels(form);
        this.scale = new float[groups * RowTile.ROWS];
        this.inverse = new float[groups * RowTile.ROWS];
        this.minimum = new float[groups * RowTile.ROWS];
        this.scaleCode = new float[groups * RowTile.ROWS];
        this.minimumCode = new float[groups * RowTile.ROWS];
        this.d = new float[blocks * RowTile.ROWS];
        this.dmin = new float[blocks * RowTile.ROWS];
    }

    /** Lanes without a row. */
    void clear() {
        for (float[] values : new float[][] {scale, inverse, minimum, scaleCode, minimumCode, d, dmin}) {
            Arrays.fill(values, 0);
        }
    }

    /** Takes over what a search has found for a row. */
    void put(CodedRow row, int lane) {
        for (int block = 0; block < blocks; block++) {
            int at = RowTile.at(lane, block, blocks);
            d[at] = row.d()[block];
            dmin[at] = row.dmin()[block];
        }
        for (int group = 0; group < groups; group++) {
            int at = RowTile.at(lane, group, groups);
            scaleCode[at] = row.scales()[group];
            minimumCode[at] = row.minima()[group];
            update(at, RowTile.at(lane, group / form.groups(), blocks));
        }
    }

    /** A group's scale and minimum, from its integers and its block's factors. */
    void update(int group, int block) {
        scale[group] = d[block] * scaleCode[group];
        inverse[group] = scale[group] == 0 ? 0 : 1 / scale[group];
        minimum[group] = form.hasMinima() ? dmin[block] * minimumCode[group] : 0;
    }

    /** For 16 rows the values that come nearest to what is asked for; see {@link Levels#choose}. */
    void nearest(float[] asked, int at, int group, float[] chosen, int to) {
        levels.choose(asked, at, scale, inverse, minimum, group, chosen, to);
    }

    /**
     * A row with the codes of its values.
     *
     * @param values the row, each some level's value
     */
    void get(float[] values, int lane, CodedRow row) {
        for (int block = 0; block < blocks; block++) {
            int at = RowTile.at(lane, block, blocks);
            row.d()[block] = d[at];
            row.dmin()[block] = dmin[at];
        }
        for (int group = 0; group < groups; group++) {
            int at = RowTile.at(lane, group, groups);
            row.scales()[group] = (byte) scaleCode[at];
            row.minima()[group] = (byte) minimumCode[at];
            int first = group * form.group();
            for (int i = first; i < first + form.group(); i++) {
                row.codes()[i] = (byte) levels.code((values[i] + minimum[at]) * inverse[at], form);
            }
        }
    }
}
