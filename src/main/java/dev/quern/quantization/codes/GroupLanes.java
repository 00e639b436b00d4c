package dev.quern.quantization.codes;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * 256 values and their weights as searches take them: eight groups side by side, value i of group g at
 * {@code 8 i + g}, so that each lane has a group; and where groups have 16 values, eight more after them.
 *
 * <p>The rules for kernels over them are those of the package {@code simd}: leaf methods over arrays, no vector handed
 * on, and one that a loop carries is never what a method is called on.
 */
final class GroupLanes {
    /** Floats in a vector. */
    static final int COUNT = 8;

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_256;

    static final int VALUES = 256;

    final float[] x = new float[VALUES];
    final float[] w = new float[VALUES];

    /** Values in a group. */
    final int length;

    /** Groups, in sets of eight. */
    final int groups;

    GroupLanes(int length) {
        this.length = length;
        this.groups = VALUES / length;
    }

    /** Where a set of eight groups begins. */
    int at(int set) {
        return set * length * COUNT;
    }

    int sets() {
        return groups / COUNT;
    }

    /** @param count values there are, whole groups, at most 256; the others become zeros */
    void load(float[] values, int from, float[] weights, int weightsFrom, int count) {
        gather(values, from, count, x);
        gather(weights, weightsFrom, count, w);
    }

    private void gather(float[] values, int from, int count, float[] lanes) {
        if (count < VALUES) {
            Arrays.fill(lanes, 0);
        }
        for (int start = 0; start < count; start += length * COUNT) {
            if (count - start >= length * COUNT) {
                eight(values, from + start, length, lanes, start);
            } else {
                for (int i = start; i < count; i++) {
                    lanes[start + (i - start) % length * COUNT + (i - start) / length] = values[from + i];
                }
            }
        }
    }

    private static void eight(float[] values, int from, int length, float[] lanes, int start) {
        for (int i = 0; i < length; i++) {
            int at = from + i;
            int to = start + i * COUNT;
            lanes[to] = values[at];
            lanes[to + 1] = values[at + length];
            lanes[to + 2] = values[at + 2 * length];
            lanes[to + 3] = values[at + 3 * length];
            lanes[to + 4] = values[at + 4 * length];
            lanes[to + 5] = values[at + 5 * length];
            lanes[to + 6] = values[at + 6 * length];
            lanes[to + 7] = values[at + 7 * length];
        }
    }
}
