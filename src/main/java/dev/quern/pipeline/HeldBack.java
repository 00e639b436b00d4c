package dev.quern.pipeline;

import dev.quern.evaluation.gemm.Packed;
import org.jspecify.annotations.Nullable;

/**
 * Inputs of one layer at positions that nothing is fitted to: rows of the original's and of the quantized model's, and
 * what the layer's outputs should have besides.
 */
final class HeldBack {
    /** Rows at most: their outputs decide between two candidates, and a few thousand are sure. */
    static final int MOST_ROWS = 4096;

    private final Packed original;
    private final Packed quantized;
    private final @Nullable Packed missing;
    private int rows;

    /**
     * @param windows of {@code length} rows each
     * @param outputs columns of what is missing; 0 for none
     */
    HeldBack(int width, int windows, int length, int outputs) {
        int most = Math.min(windows, Math.max(1, MOST_ROWS / length)) * length;
        original = new Packed(most, width, new float[Packed.size(most, width)]);
        quantized = new Packed(most, width, new float[Packed.size(most, width)]);
        missing = outputs == 0 ? null : new Packed(most, outputs, new float[Packed.size(most, outputs)]);
    }

    boolean isFull() {
        return rows == original.rows();
    }

    /**
     * Copies a window's rows.
     *
     * @param more what is missing, from its first row on, or null
     */
    void add(Packed before, Packed now, int first, int count, @Nullable Packed more) {
        float[] row = new float[Math.max(original.width(), missing == null ? 0 : missing.width())];
        for (int i = 0; i < count; i++, rows++) {
            before.read(first + i, 0, original.width(), row, 0);
            original.write(rows, 0, original.width(), row, 0);
            now.read(first + i, 0, original.width(), row, 0);
            quantized.write(rows, 0, original.width(), row, 0);
            if (missing != null && more != null) {
                more.read(i, 0, missing.width(), row, 0);
                missing.write(rows, 0, missing.width(), row, 0);
            }
        }
    }

    Packed original() {
        return original;
    }

    Packed quantized() {
        return quantized;
    }

    @Nullable
    Packed missing() {
        return missing;
    }
}
