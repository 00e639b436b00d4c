package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Tile;

/** One worker's arrays, made once for a model and a window length. */
final class Scratch {
    /** Tokens of one pass through the tile loops: whole tiles, whose 256-column block (256 kB) fits the
     * second-level cache. */
    static final int TOKENS = 256;

    /** Queries that attend together; a block of keys is read from cache once for all of them. */
    static final int QUERIES = 36;

    final float[] decoded;
    final float[] panel;
    final float[] secondPanel;
    final float[] product = new float[TOKENS * WeightMatrix.PANEL];
    final float[] secondProduct = new float[TOKENS * WeightMatrix.PANEL];
    final float[] row;
    final float[] lanes = new float[8];
    final float[] squares = new float[Blocked.BLOCK];
    final float[] keys;
    final float[] values;
    final float[] queries;
    final float[] scores;
    final float[] weights;
    final float[] attended;

    /**
     * @param widest columns of any matrix, and floats of any row
     * @param width of a token's state
     */
    Scratch(int widest, int width, AttentionRule rule, int window) {
        this.decoded = new float[Math.multiplyExact(Tile.COLUMNS, widest)];
        this.panel = new float[Math.multiplyExact(WeightMatrix.PANEL, widest)];
        this.secondPanel = new float[Math.multiplyExact(WeightMatrix.PANEL, width)];
        this.row = new float[Math.max(widest, rule.queryWidth())];
        int positions = Math.ceilDiv(window, Tile.COLUMNS) * Tile.COLUMNS;
        int head = Math.ceilDiv(rule.valueLength(), Tile.COLUMNS) * Tile.COLUMNS;
        this.keys = new float[Math.multiplyExact(positions, rule.keyLength())];
        this.values = new float[Math.multiplyExact(positions, head)];
        this.queries = new float[QUERIES * rule.keyLength()];
        this.scores = new float[Math.multiplyExact(QUERIES, positions)];
        this.weights = new float[scores.length];
        this.attended = new float[QUERIES * head];
    }

    /** Floats that the arrays of one worker take, for the memory budget. */
    static long floats(Hyperparameters model, int window) {
        long widest = model.widest();
        long positions = (long) window + Tile.COLUMNS;
        long head = Math.max(model.keyLength(), model.valueLength()) + (long) Tile.COLUMNS;
        return widest * (Tile.COLUMNS + WeightMatrix.PANEL + 1)
                + (long) WeightMatrix.PANEL * model.width()
                + 2L * TOKENS * WeightMatrix.PANEL
                + 2 * positions * head
                + QUERIES * (2 * positions + 2 * head);
    }
}
