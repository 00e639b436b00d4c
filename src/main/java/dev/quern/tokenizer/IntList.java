package dev.quern.tokenizer;

import java.util.Arrays;

/** A growing array of ints. */
final class IntList {
    private int[] values = new int[64];
    private int size;

    void add(int value) {
        if (size == values.length) {
            reserve(1);
        }
        values[size++] = value;
    }

    void addAll(int[] from, int begin, int end) {
        int count = end - begin;
        if (count > values.length - size) {
            reserve(count);
        }
        if (count == 1) {
            values[size++] = from[begin];
            return;
        }
        System.arraycopy(from, begin, values, size, count);
        size += count;
    }

    private void reserve(int more) {
        int needed = Math.addExact(size, more);
        long larger = Math.max((long) size + (size >> 1) + 64, needed);
        values = Arrays.copyOf(values, (int) Math.min(larger, Math.max(needed, Integer.MAX_VALUE - 8)));
    }

    int size() {
        return size;
    }

    int get(int index) {
        return values[index];
    }

    void clear() {
        size = 0;
    }

    void copyTo(int from, int[] out, int at, int count) {
        System.arraycopy(values, from, out, at, count);
    }

    int[] toArray() {
        return Arrays.copyOf(values, size);
    }
}
