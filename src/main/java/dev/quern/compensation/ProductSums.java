package dev.quern.compensation;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;

/**
 * Sums over tokens of products of two inputs' columns, {@code Σ left_i · right_j}: of an input with itself its second
 * moments, of the original model's input with the quantized model's what the one says about the other.
 *
 * <p>Every element is a chain of float multiply-adds over {@link #DEPTH} tokens at a time, the chains' sums added in
 * order: the same bits for any number of threads.
 */
public final class ProductSums {
    /** The widest input: a square of it is an array. */
    public static final int WIDEST = 46_336;

    private static final int DEPTH = 256;
    private static final int BAND = 64;

    private final int height;
    private final int width;
    private final boolean symmetric;
    private float[] sums;
    private float[] left = new float[0];
    private float[] right = new float[0];
    private long tokens;

    /** Of an input with itself. */
    public static ProductSums moments(int width) {
        return new ProductSums(width, width, true);
    }

    /**
     * Of two inputs.
     *
     * @param height columns of the left one, a multiple of four
     * @param width columns of the right one, a multiple of 32
     */
    public static ProductSums products(int height, int width) {
        return new ProductSums(height, width, false);
    }

    private ProductSums(int height, int width, boolean symmetric) {
        if (width > WIDEST || height > WIDEST || width % 32 != 0 || height % Tile.ROWS != 0) {
            throw new IllegalArgumentException("inputs of " + height + " and " + width + " columns");
        }
        this.height = height;
        this.width = width;
        this.symmetric = symmetric;
        this.sums = new float[height * width];
    }

    /** Columns of the left input. */
    public int height() {
        return height;
    }

    /** Columns of the right input. */
    public int width() {
        return width;
    }

    /** Tokens that were added. */
    public long tokens() {
        return tokens;
    }

    /** Adds the products of {@code count} rows of each, from one on. */
    public void add(Packed leftInput, int leftFirst, Packed rightInput, int rightFirst, int count, Workers workers) {
        if (left.length < count * height || right.length < count * width) {
            left = new float[count * height];
            right = new float[count * width];
        }
        float[][] rows = new float[workers.threads()][Math.max(height, width)];
        workers.each(count, (token, worker) -> {
            float[] row = rows[worker];
            leftInput.read(leftFirst + token, 0, height, row, 0);
            spread(row, height, Tile.ROWS, token, count, left);
            rightInput.read(rightFirst + token, 0, width, row, 0);
            spread(row, width, Tile.COLUMNS, token, count, right);
        });
        workers.each(Math.ceilDiv(height, BAND), (band, worker) -> addBand(band * BAND, count));
        tokens += count;
    }

    /** Columns in groups: all tokens of the first group, then of the second. */
    private static void spread(float[] row, int columns, int group, int token, int tokens, float[] out) {
        for (int column = 0; column < columns; column += group) {
            System.arraycopy(row, column, out, (column * tokens) + token * group, group);
        }
    }

    private void addBand(int begin, int count) {
        int end = Math.min(begin + BAND, height);
        for (int token = 0; token < count; token += DEPTH) {
            int depth = Math.min(DEPTH, count - token);
            for (int j = symmetric ? begin : 0; j < width; j += Tile.COLUMNS) {
                int rightAt = j * count + token * Tile.COLUMNS;
                for (int i = begin; i < end; i += Tile.ROWS) {
                    int leftAt = i * count + token * Tile.ROWS;
                    Tile.multiplyAdd(left, leftAt, right, rightAt, depth, sums, i * width + j, width);
                }
            }
        }
    }

    /** All sums, row by row; of symmetric ones the lower half is filled from the upper. This object has none any more. */
    float[] take() {
        if (symmetric) {
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < i; j++) {
                    sums[i * width + j] = sums[j * width + i];
                }
            }
        }
        left = new float[0];
        right = new float[0];
        float[] all = sums;
        sums = new float[0];
        return all;
    }

    /**
     * Moments of few tokens, drawn towards those of all: with as many tokens as columns half of each.
     *
     * @param all symmetric like these
     */
    public ProductSums towards(ProductSums all) {
        double part = (double) width / (width + tokens);
        float own = (float) ((1 - part) / Math.max(1, tokens));
        float others = (float) (part / Math.max(1, all.tokens));
        ProductSums drawn = moments(width);
        for (int i = 0; i < sums.length; i++) {
            drawn.sums[i] = own * sums[i] + others * all.sums[i];
        }
        drawn.tokens = 1;
        return drawn;
    }
}
