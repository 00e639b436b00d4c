package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;

import dev.quern.quantization.RowCodec;
import dev.quern.quantization.scalar.ScalarCodec;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Rows of super-blocks whose groups have a scale and a minimum: Q2_K, Q4_K, Q5_K. First every group of the row is
 * searched, eight at a time; then the scales and minima of eight super-blocks at a time get their codes; then each
 * super-block is written.
 */
abstract class OffsetSuperBlockRows extends RowCodec {
    static final int LENGTH = 256;

    final ScalarCodec scalar;
    final int groups;
    final int groupLength;
    final OffsetLanes lanes = new OffsetLanes();
    private final PositiveLanes positive = new PositiveLanes();
    private final float[] spread = new float[COUNT];

    // One element a group, or a super-block, of the row.
    float[] scales = {};
    float[] minima = {};
    float[] inverses = {};
    float[] bases = {};
    byte[] scaleCodes = {};
    byte[] minimumCodes = {};
    float[] blockScales = {};
    float[] blockMinima = {};
    private float[] weightSums = {};
    private float[] squares = {};
    private boolean[] odd = {};

    OffsetSuperBlockRows(ScalarCodec scalar, int groups) {
        super(scalar.type());
        this.scalar = scalar;
        this.groups = groups;
        groupLength = LENGTH / groups;
    }

    @Override
    protected final void encode(float[] row, int from, int length, float @Nullable [] importance, byte[] out, int to) {
        int blocks = length / LENGTH;
        reserve(blocks);
        if (importance == null) {
            for (int block = 0; block < blocks; block++) {
                odd[block] = searchPlain(row, from + block * LENGTH, block * groups) != 0;
            }
            for (int block = 0; block < blocks; block++) {
                spreadCodes(block);
            }
        } else {
            SumsOfSquares.of(row, from, LENGTH, blocks, squares);
            for (int block = 0; block < blocks; block++) {
                Arrays.fill(spread, sigma2(squares[block]));
                odd[block] = searchImportant(row, from + block * LENGTH, importance, block) != 0;
            }
            for (int block = 0; block < blocks; block += COUNT) {
                int count = Math.min(COUNT, blocks - block);
                fitCodes(scales, block, count, blockScales, scaleCodes);
                fitCodes(minima, block, count, blockMinima, minimumCodes);
            }
        }
        int bytes = type().blockBytes();
        for (int block = 0; block < blocks; block++) {
            if (!odd[block]) {
                finish(row, from + block * LENGTH, block, out, to + block * bytes);
            } else if (importance == null) {
                scalar.encodeBlock(row, from + block * LENGTH, out, to + block * bytes);
            } else {
                scalar.encodeBlock(row, from + block * LENGTH, importance, block * LENGTH, 0, out, to + block * bytes);
            }
        }
    }

    private void reserve(int blocks) {
        if (odd.length < blocks) {
            scales = new float[blocks * groups];
            minima = new float[blocks * groups];
            inverses = new float[blocks * groups];
            bases = new float[blocks * groups];
            scaleCodes = new byte[blocks * groups];
            minimumCodes = new byte[blocks * groups];
            weightSums = new float[blocks * groups];
            blockScales = new float[blocks];
            blockMinima = new float[blocks];
            squares = new float[blocks];
            odd = new boolean[blocks];
        }
    }

    private int searchPlain(float[] row, int from, int at) {
        int odd = 0;
        for (int group = 0; group < groups; group += COUNT) {
            Transposed.gather(row, from + group * groupLength, COUNT, groupLength, lanes.x);
            odd |= searchPlain();
            keep(at + group);
        }
        return odd;
    }

    private int searchImportant(float[] row, int from, float[] importance, int block) {
        int odd = 0;
        for (int group = 0; group < groups; group += COUNT) {
            int at = group * groupLength;
            Transposed.gather(row, from + at, COUNT, groupLength, lanes.x);
            Transposed.gather(importance, block * LENGTH + at, COUNT, groupLength, lanes.weights);
            Weights.important(lanes.x, groupLength * COUNT, spread, lanes.weights, weightSums, block * groups + group);
            odd |= searchImportant();
            keep(block * groups + group);
        }
        return odd;
    }

    private void keep(int at) {
        System.arraycopy(lanes.scale, 0, scales, at, COUNT);
        System.arraycopy(lanes.bestInverse, 0, inverses, at, COUNT);
        System.arraycopy(lanes.bestBase, 0, bases, at, COUNT);
        for (int group = 0; group < COUNT; group++) {
            minima[at + group] = -lanes.minimum[group];
        }
    }

    private void fitCodes(float[] values, int block, int count, float[] blockValues, byte[] codes) {
        Transposed.gather(values, block * groups, count, groups, positive.x);
        Transposed.gather(weightSums, block * groups, count, groups, positive.weights);
        positive.search(groups, largestScaleCode());
        System.arraycopy(positive.scale, 0, blockValues, block, count);
        for (int i = 0; i < count; i++) {
            for (int group = 0; group < groups; group++) {
                codes[(block + i) * groups + group] = (byte) positive.codes[group * COUNT + i];
            }
        }
    }

    static float largest(float[] values, int from, int n) {
        float largest = 0;
        for (int i = from; i < from + n; i++) {
            largest = values[i] > largest ? values[i] : largest;
        }
        return largest;
    }

    @Override
    protected void decode(MemorySegment blocks, long at, int count, float[] out, int to) {
        scalar.dequantize(blocks, at, count, out, to);
    }

    abstract float sigma2(float sumOfSquares);

    abstract int largestScaleCode();

    /** Fills the weights and searches the lanes; answers which are odd. */
    abstract int searchPlain();

    abstract int searchImportant();

    /** Without importance: the codes of one super-block's scales and minima, and their factors. */
    abstract void spreadCodes(int block);

    abstract void finish(float[] x, int from, int block, byte[] out, int to);
}
