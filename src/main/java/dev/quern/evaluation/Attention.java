package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Packing;
import dev.quern.evaluation.gemm.Tile;
import java.util.Arrays;

/**
 * Attention of one window and one head of keys and values, for all query heads that share it: softmax(q · kᵀ · scale) ·
 * v, with rotary embedding of queries and keys and what else the block's rule says.
 *
 * @param positions of a window
 */
record Attention(AttentionRule rule, int positions) {
    /**
     * Attends from positions {@code from .. to - 1} of a window to all positions that they see.
     *
     * @param window first row of the window in {@code query}, {@code key} and {@code value}
     * @param out receives the results, one row for each attending position, from row {@code outRow} on
     */
    void attend(
            Blocked query,
            Blocked key,
            Blocked value,
            int window,
            int from,
            int to,
            int keyValueHead,
            Packed out,
            int outRow,
            Scratch scratch) {
        int seen = rule.bidirectional() ? positions : to;
        packKeys(key, window, seen, keyValueHead, scratch);
        packValues(value, window, seen, keyValueHead, scratch);
        int depth = Math.ceilDiv(seen, Tile.COLUMNS) * Tile.COLUMNS;
        int group = rule.group();
        for (int head = keyValueHead * group; head < (keyValueHead + 1) * group; head++) {
            for (int first = from; first < to; first += Scratch.QUERIES) {
                int count = Math.min(Scratch.QUERIES, to - first);
                gatherQueries(query, window, first, count, head, scratch);
                double[] sums = scores(first, count, head, scratch);
                weighValues(first, count, depth, scratch);
                scatter(count, sums, head, out, outRow + first - from, scratch);
            }
        }
    }

    private int paddedHead() {
        return Math.ceilDiv(rule.valueLength(), Tile.COLUMNS) * Tile.COLUMNS;
    }

    /** Groups of 16 positions, each d times 16 floats: what the tile wants of kᵀ. */
    private void packKeys(Blocked key, int window, int positions, int head, Scratch scratch) {
        int d = rule.keyLength();
        int padded = Math.ceilDiv(positions, Tile.COLUMNS) * Tile.COLUMNS;
        Arrays.fill(scratch.keys, 0, padded * d, 0);
        for (int position = 0; position < positions; position++) {
            key.read(window + position, head * d, d, scratch.row, 0);
            rule.rotate(scratch.row, 0, position);
            int at = position / Tile.COLUMNS * Tile.COLUMNS * d + position % Tile.COLUMNS;
            spread(scratch.row, d, scratch.keys, at);
        }
    }

    private static void spread(float[] row, int count, float[] out, int at) {
        for (int i = 0; i < count; i++) {
            out[at + i * Tile.COLUMNS] = row[i];
        }
    }

    /** Groups of 16 of the head's columns, each positions times 16 floats; columns beyond the head are zero. */
    private void packValues(Blocked value, int window, int positions, int head, Scratch scratch) {
        int d = rule.valueLength();
        int groups = paddedHead() / Tile.COLUMNS;
        int depth = Math.ceilDiv(positions, Tile.COLUMNS) * Tile.COLUMNS;
        Arrays.fill(scratch.values, 0, depth * paddedHead(), 0);
        for (int position = 0; position < positions; position++) {
            value.read(window + position, head * d, d, scratch.row, 0);
            for (int group = 0; group < groups; group++) {
                int column = group * Tile.COLUMNS;
                System.arraycopy(
                        scratch.row,
                        column,
                        scratch.values,
                        (group * depth + position) * Tile.COLUMNS,
                        Math.min(Tile.COLUMNS, d - column));
            }
        }
    }

    private void gatherQueries(Blocked query, int window, int first, int count, int head, Scratch scratch) {
        int d = rule.keyLength();
        for (int i = 0; i < count; i++) {
            query.read(window + first + i, head * d, d, scratch.row, 0);
            rule.rotate(scratch.row, 0, first + i);
            Activations.scale(scratch.row, 0, d, rule.scale());
            Packing.spread(scratch.row, 0, d, scratch.queries, i / Tile.ROWS * Tile.ROWS * d + i % Tile.ROWS);
        }
    }

    /** Fills the weights with e^(score - max), zero where the query does not see, and returns each row's sum. */
    private double[] scores(int first, int count, int head, Scratch scratch) {
        int d = rule.keyLength();
        int stride = stride(first, count);
        int rows = Packed.padded(count);
        Arrays.fill(scratch.scores, 0, rows * stride, 0);
        for (int column = 0; column < stride; column += Tile.COLUMNS) {
            for (int i = 0; i < rows; i += Tile.ROWS) {
                Tile.multiplyAdd(
                        scratch.queries,
                        i * d,
                        scratch.keys,
                        column * d,
                        d,
                        scratch.scores,
                        i * stride + column,
                        stride);
            }
        }
        double[] sums = new double[count];
        for (int i = 0; i < count; i++) {
            int begin = rule.firstSeen(first + i);
            int seen = rule.bidirectional() ? positions : first + i + 1;
            sums[i] = rule.exponentiate(
                    scratch.scores, i * stride + begin, begin, seen - begin, first + i, head, scratch.lanes);
            Arrays.fill(scratch.scores, i * stride, i * stride + begin, 0);
            Arrays.fill(scratch.scores, i * stride + seen, (i + 1) * stride, 0);
            int tile = i / Tile.ROWS * Tile.ROWS;
            Packing.spread(scratch.scores, i * stride, stride, scratch.weights, tile * stride + i - tile);
        }
        return sums;
    }

    /** Positions that a block of queries sees, in whole tiles. */
    private int stride(int first, int count) {
        int seen = rule.bidirectional() ? positions : first + count;
        return Math.ceilDiv(seen, Tile.COLUMNS) * Tile.COLUMNS;
    }

    private void weighValues(int first, int count, int depth, Scratch scratch) {
        int stride = stride(first, count);
        int head = paddedHead();
        int rows = Packed.padded(count);
        Arrays.fill(scratch.attended, 0, rows * head, 0);
        for (int column = 0; column < head; column += Tile.COLUMNS) {
            for (int block = 0; block < stride; block += Blocked.BLOCK) {
                int run = Math.min(Blocked.BLOCK, stride - block);
                int at = column * depth + block * Tile.COLUMNS;
                for (int i = 0; i < rows; i += Tile.ROWS) {
                    Tile.multiplyAdd(
                            scratch.weights,
                            i * stride + block * Tile.ROWS,
                            scratch.values,
                            at,
                            run,
                            scratch.attended,
                            i * head + column,
                            head);
                }
            }
        }
    }

    private void scatter(int count, double[] sums, int head, Packed out, int outRow, Scratch scratch) {
        int d = rule.valueLength();
        int stride = paddedHead();
        for (int i = 0; i < count; i++) {
            Activations.scale(scratch.attended, i * stride, d, (float) (1 / sums[i]));
            out.write(outRow + i, head * d, d, scratch.attended, i * stride);
        }
    }
}
