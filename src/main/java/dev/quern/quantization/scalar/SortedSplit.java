package dev.quern.quantization.scalar;

/**
 * A sub-block's values in ascending order, equal ones as they stand: glibc's qsort, which ggml uses, is a stable merge
 * sort for so few.
 */
final class SortedSplit {
    private final int length;
    private final float[] sorted;
    final int[] order;

    SortedSplit(int length) {
        this.length = length;
        this.sorted = new float[length];
        this.order = new int[length];
    }

    void sort(float[] row, int from) {
        for (int i = 0; i < length; i++) {
            float value = row[from + i];
            int place = i;
            while (place > 0 && sorted[place - 1] > value) {
                sorted[place] = sorted[place - 1];
                order[place] = order[place - 1];
                place--;
            }
            sorted[place] = value;
            order[place] = i;
        }
    }

    /** Level 0 for the first {@code one} values in order, 2 from the {@code two}-th on, 1 between; turned round if asked. */
    void levels(int one, int two, boolean reversed, byte[] levels) {
        for (int place = 0; place < length; place++) {
            int level = place < one ? 0 : place < two ? 1 : 2;
            levels[order[place]] = (byte) (reversed ? 2 - level : level);
        }
    }
}
