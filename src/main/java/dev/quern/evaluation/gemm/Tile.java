package dev.quern.evaluation.gemm;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The register tile: 4 rows by 16 columns of a product. Eight accumulators are what two units of four cycles' latency
 * need to be busy all the time, and with two vectors of weights and four of tokens' values 14 of AVX2's 16 registers are
 * taken. More rows do not fit: C2 moves all loads of a step to its front, and then spills accumulators in the innermost
 * loop (measured on a Zen 3, one thread: 6 rows 40 GFLOP/s, 4 rows 98). The rows lie side by side (see {@link Packed})
 * because four addresses a step cost a third of the speed (66 GFLOP/s).
 */
public final class Tile {
    /** Rows of the left matrix (tokens) that one tile takes. */
    public static final int ROWS = 4;

    /** Columns of the product (rows of the weight matrix) that one tile makes. */
    public static final int COLUMNS = 16;

    // 256 bits on every machine: the sums are the same bits whatever the processor, and one width is one thing to test.
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    private Tile() {}

    /**
     * Adds {@code a · b} to a tile of {@code c}. Each element is one chain of fused multiply-adds over the depth, in
     * order and from zero, added to what {@code c} held: its bits depend on its own row and column alone.
     *
     * @param a {@code depth} times four floats from {@code aAt} on: the four rows' values of one column side by side
     * @param b {@code depth} times 16 floats from {@code bAt} on (see {@link Packing})
     * @param c four rows of 16 floats, the first at {@code cAt}, {@code cStride} apart
     */
    public static void multiplyAdd(float[] a, int aAt, float[] b, int bAt, int depth, float[] c, int cAt, int cStride) {
        FloatVector c00 = FloatVector.zero(LANES);
        FloatVector c01 = FloatVector.zero(LANES);
        FloatVector c10 = FloatVector.zero(LANES);
        FloatVector c11 = FloatVector.zero(LANES);
        FloatVector c20 = FloatVector.zero(LANES);
        FloatVector c21 = FloatVector.zero(LANES);
        FloatVector c30 = FloatVector.zero(LANES);
        FloatVector c31 = FloatVector.zero(LANES);
        // The left index is the loop's own variable and the right one four times that: an instruction for each address.
        // A counter of steps took three more, and a core whose other thread is busy has none to spare (measured so: 52
        // GFLOP/s, and 67 as it is; both reach 92 with the core to themselves).
        int end = aAt + depth * ROWS;
        int right = bAt - aAt * (COLUMNS / ROWS);
        for (int at = aAt; at < end; at += ROWS) {
            int from = right + at * (COLUMNS / ROWS);
            FloatVector b0 = FloatVector.fromArray(LANES, b, from);
            FloatVector b1 = FloatVector.fromArray(LANES, b, from + 8);
            FloatVector x0 = FloatVector.broadcast(LANES, a[at]);
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(LANES, a[at + 1]);
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(LANES, a[at + 2]);
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(LANES, a[at + 3]);
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
        }
        int c1 = cAt + cStride;
        int c2 = c1 + cStride;
        int c3 = c2 + cStride;
        FloatVector.fromArray(LANES, c, cAt).add(c00).intoArray(c, cAt);
        FloatVector.fromArray(LANES, c, cAt + 8).add(c01).intoArray(c, cAt + 8);
        FloatVector.fromArray(LANES, c, c1).add(c10).intoArray(c, c1);
        FloatVector.fromArray(LANES, c, c1 + 8).add(c11).intoArray(c, c1 + 8);
        FloatVector.fromArray(LANES, c, c2).add(c20).intoArray(c, c2);
        FloatVector.fromArray(LANES, c, c2 + 8).add(c21).intoArray(c, c2 + 8);
        FloatVector.fromArray(LANES, c, c3).add(c30).intoArray(c, c3);
        FloatVector.fromArray(LANES, c, c3 + 8).add(c31).intoArray(c, c3 + 8);
    }
}
