package dev.quern.quantization.codes;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * 256 values and their weights as searches take them: eight groups side by side, value i of group g at
 * {@code 8 i + g}, so that each lane has a group; and where groups have 16 values, eight more after them.
 *
 * <p>The rules for kernels over them are those of the package {@code simd}: leaf methods over arrays, no vector handed
 * on, and one that a loop carries is never what a method is called on. Their loops end with {@code i != end}: with
 * {@code <} the compiler unrolls them, which for so many sums takes more registers than there are, and moving them to the
 * stack and back takes up to twice the time.
 */
final class GroupLanes {
    /** Floats in a vector. */
    static final int COUNT = 8;

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_256;

    static final int VALUES = 256;

    /** Lanes that take the second of two vectors, of two pairs, of two fours: not 0. */
    private static final float[] ODD = {0, 1, 0, 1, 0, 1, 0, 1};

    private static final float[] ODD_PAIRS = {0, 0, 1, 1, 0, 0, 1, 1};
    private static final float[] UPPER = {0, 0, 0, 0, 1, 1, 1, 1};

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

    /**
     * Row i of the lanes has value i of every group: lane g of what is loaded from {@code i - g} on within group g. Blends
     * of such loads take a third of the time of storing the values one by one.
     */
    private static void eight(float[] values, int from, int length, float[] lanes, int start) {
        VectorMask<Float> odd = FloatVector.fromArray(FLOATS, ODD, 0).compare(VectorOperators.NE, 0);
        VectorMask<Float> oddPairs = FloatVector.fromArray(FLOATS, ODD_PAIRS, 0).compare(VectorOperators.NE, 0);
        VectorMask<Float> upper = FloatVector.fromArray(FLOATS, UPPER, 0).compare(VectorOperators.NE, 0);
        int step = length - 1;
        for (int i = 0; i < length; i++) {
            int at = from + i;
            FloatVector first = FloatVector.fromArray(FLOATS, values, at)
                    .blend(FloatVector.fromArray(FLOATS, values, at + step), odd);
            FloatVector second = FloatVector.fromArray(FLOATS, values, at + 2 * step)
                    .blend(FloatVector.fromArray(FLOATS, values, at + 3 * step), odd);
            FloatVector third = FloatVector.fromArray(FLOATS, values, at + 4 * step)
                    .blend(FloatVector.fromArray(FLOATS, values, at + 5 * step), odd);
            FloatVector fourth = FloatVector.fromArray(FLOATS, values, at + 6 * step)
                    .blend(FloatVector.fromArray(FLOATS, values, at + 7 * step), odd);
            first.blend(second, oddPairs)
                    .blend(third.blend(fourth, oddPairs), upper)
                    .intoArray(lanes, start + i * COUNT);
        }
    }
}
