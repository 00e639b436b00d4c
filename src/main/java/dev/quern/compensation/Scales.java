package dev.quern.compensation;

import dev.quern.quantization.codes.ScaledForm;
import java.util.Arrays;

/**
 * A tile's scales and minima: for each group of columns and each of the tile's rows, what levels are multiplied by and
 * what is then taken away, and the small numbers and F16 factors that they come from.
 */
final class Scales {
    final ScaledForm form;
    final int groups;
    final int blocks;

    /** By group and lane, as {@link RowTile} lays columns. */
    final float[] scale;

    final float[] inverse;
    final float[] minimum;
    final float[] scaleCode;
    final float[] minimumCode;

    /** By block and lane. */
    final float[] d;

    final float[] dmin;

    Scales(ScaledForm form, int width) {
        this.form = form;
        this.groups = width / form.group();
        this.blocks = width / form.block();
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

    /** Takes over the factors of a row's blocks; its groups have to follow. */
    void put(float[] factors, float[] minimumFactors, int lane) {
        for (int block = 0; block < blocks; block++) {
            int at = RowTile.at(lane, block, blocks);
            d[at] = factors[block];
            dmin[at] = minimumFactors[block];
        }
    }

    /** Takes over a group's scale and minimum. */
    void put(float ownScale, float ownMinimum, int group, int lane) {
        int at = RowTile.at(lane, group, groups);
        scaleCode[at] = ownScale;
        minimumCode[at] = ownMinimum;
        update(at, RowTile.at(lane, group / form.groups(), blocks));
    }

    /** A group's scale and minimum, from its own numbers and its block's factors. */
    void update(int group, int block) {
        scale[group] = d[block] * scaleCode[group];
        inverse[group] = scale[group] == 0 ? 0 : 1 / scale[group];
        minimum[group] = form.hasMinima() ? dmin[block] * minimumCode[group] : 0;
    }
}
