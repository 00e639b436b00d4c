package dev.quern.evaluation.gemm;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The register tile: 6 rows by 16 columns of a product. Twelve accumulators, two vectors of weights and one of a token's
 * value fill AVX2's 16 registers; with the eight accumulators of 4 rows the chains wait for their own latency (measured
 * on an EPYC: 97 GFLOP/s a thread against 67).
 */
public final class Tile {
    /** Rows of the left matrix (tokens) that one tile takes. */
    public static final int ROWS = 6;

    /** Columns of the product (rows of the weight matrix) that one tile makes. */
    public static final int COLUMNS = 16;

    // 256 bits on every machine: the sums are the same bits whatever the processor, and one width is one thing to test.
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_256;

    private Tile() {}

    /**
     * Adds {@code a · b} to a tile of {@code c}. Each element is one chain of fused multiply-adds over the depth, in
     * order and from zero, added to what {@code c} held: its bits depend on its own row and column alone.
     *
     * @param a six rows of {@code depth} floats, the first at {@code aAt}, {@code aStride} apart
     * @param b {@code depth} times 16 floats from {@code bAt} on (see {@link Packing})
     * @param c six rows of 16 floats, the first at {@code cAt}, {@code cStride} apart
     */
    public static void multiplyAdd(
            float[] a, int aAt, int aStride, float[] b, int bAt, int depth, float[] c, int cAt, int cStride) {
        FloatVector c00 = FloatVector.zero(LANES);
        FloatVector c01 = FloatVector.zero(LANES);
        FloatVector c10 = FloatVector.zero(LANES);
        FloatVector c11 = FloatVector.zero(LANES);
        FloatVector c20 = FloatVector.zero(LANES);
        FloatVector c21 = FloatVector.zero(LANES);
        FloatVector c30 = FloatVector.zero(LANES);
        FloatVector c31 = FloatVector.zero(LANES);
        FloatVector c40 = FloatVector.zero(LANES);
        FloatVector c41 = FloatVector.zero(LANES);
        FloatVector c50 = FloatVector.zero(LANES);
        FloatVector c51 = FloatVector.zero(LANES);
        int a1 = aAt + aStride;
        int a2 = a1 + aStride;
        int a3 = a2 + aStride;
        int a4 = a3 + aStride;
        int a5 = a4 + aStride;
        for (int k = 0; k < depth; k++) {
            FloatVector b0 = FloatVector.fromArray(LANES, b, bAt + k * COLUMNS);
            FloatVector b1 = FloatVector.fromArray(LANES, b, bAt + k * COLUMNS + 8);
            FloatVector x0 = FloatVector.broadcast(LANES, a[aAt + k]);
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(LANES, a[a1 + k]);
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(LANES, a[a2 + k]);
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(LANES, a[a3 + k]);
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            FloatVector x4 = FloatVector.broadcast(LANES, a[a4 + k]);
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            FloatVector x5 = FloatVector.broadcast(LANES, a[a5 + k]);
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
        }
        int c1 = cAt + cStride;
        int c2 = c1 + cStride;
        int c3 = c2 + cStride;
        int c4 = c3 + cStride;
        int c5 = c4 + cStride;
        FloatVector.fromArray(LANES, c, cAt).add(c00).intoArray(c, cAt);
        FloatVector.fromArray(LANES, c, cAt + 8).add(c01).intoArray(c, cAt + 8);
        FloatVector.fromArray(LANES, c, c1).add(c10).intoArray(c, c1);
        FloatVector.fromArray(LANES, c, c1 + 8).add(c11).intoArray(c, c1 + 8);
        FloatVector.fromArray(LANES, c, c2).add(c20).intoArray(c, c2);
        FloatVector.fromArray(LANES, c, c2 + 8).add(c21).intoArray(c, c2 + 8);
        FloatVector.fromArray(LANES, c, c3).add(c30).intoArray(c, c3);
        FloatVector.fromArray(LANES, c, c3 + 8).add(c31).intoArray(c, c3 + 8);
        FloatVector.fromArray(LANES, c, c4).add(c40).intoArray(c, c4);
        FloatVector.fromArray(LANES, c, c4 + 8).add(c41).intoArray(c, c4 + 8);
        FloatVector.fromArray(LANES, c, c5).add(c50).intoArray(c, c5);
        FloatVector.fromArray(LANES, c, c5 + 8).add(c51).intoArray(c, c5 + 8);
    }
}
