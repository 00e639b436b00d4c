package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.FLOATS;
import static dev.quern.quantization.simd.Lanes.INTS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The kernels that look for the best of a list's points, eight points at a time: a lane adds the coordinates' errors up
 * in their order, as the scalar search does, taking each from a table of the errors of all levels. Errors are never
 * negative, so their bits have the same order. The two lengths are written out, alike as they are: a helper that took
 * vectors would not be inlined everywhere, and every call of it would put its vectors on the heap.
 */
final class NearestLanes {
    private static final IntVector PLACES = IntVector.zero(INTS).addIndex(1);

    private NearestLanes() {}

    /**
     * The place of the best of a list's points of four coordinates.
     *
     * @param x four coordinates, eight times each, from {@code at} on
     * @param root their weights, eight times each
     * @param q what the eight levels stand for, before the scale
     * @return from {@code from} on, less than {@code to}; negative if no error is a number
     */
    static int four(int[] selectors, int from, int to, float[] x, float[] root, int at, float[] q, float scale) {
        FloatVector level = FloatVector.fromArray(FLOATS, q, 0).mul(scale);
        FloatVector d0 = level.sub(FloatVector.fromArray(FLOATS, x, at));
        IntVector e0 = FloatVector.fromArray(FLOATS, root, at).mul(d0).mul(d0).reinterpretAsInts();
        FloatVector d1 = level.sub(FloatVector.fromArray(FLOATS, x, at + 8));
        IntVector e1 =
                FloatVector.fromArray(FLOATS, root, at + 8).mul(d1).mul(d1).reinterpretAsInts();
        FloatVector d2 = level.sub(FloatVector.fromArray(FLOATS, x, at + 16));
        IntVector e2 =
                FloatVector.fromArray(FLOATS, root, at + 16).mul(d2).mul(d2).reinterpretAsInts();
        FloatVector d3 = level.sub(FloatVector.fromArray(FLOATS, x, at + 24));
        IntVector e3 =
                FloatVector.fromArray(FLOATS, root, at + 24).mul(d3).mul(d3).reinterpretAsInts();
        FloatVector best = FloatVector.broadcast(FLOATS, Float.MAX_VALUE);
        IntVector place = IntVector.broadcast(INTS, -1);
        for (int i = from; i < to; i += 8) {
            IntVector s = IntVector.fromArray(INTS, selectors, i);
            FloatVector error = s.selectFrom(e0).reinterpretAsFloats();
            IntVector s1 = s.lanewise(VectorOperators.LSHR, 3);
            error = s1.selectFrom(e1).reinterpretAsFloats().add(error);
            IntVector s2 = s.lanewise(VectorOperators.LSHR, 6);
            error = s2.selectFrom(e2).reinterpretAsFloats().add(error);
            IntVector s3 = s.lanewise(VectorOperators.LSHR, 9);
            error = s3.selectFrom(e3).reinterpretAsFloats().add(error);
            VectorMask<Float> kept = error.compare(VectorOperators.LT, best).not();
            best = error.blend(best, kept);
            place = IntVector.broadcast(INTS, i).blend(place, kept.cast(INTS));
        }
        IntVector order = best.reinterpretAsInts();
        int smallest = order.reduceLanes(VectorOperators.MIN);
        return PLACES.add(place)
                .blend(Integer.MAX_VALUE, order.compare(VectorOperators.NE, smallest))
                .reduceLanes(VectorOperators.MIN);
    }

    /**
     * The place of the best of a list's points of eight coordinates.
     *
     * @param x eight coordinates, four times each, from {@code at} on
     * @param root their weights, four times each
     * @param q what the levels stand for, twice
     */
    static int eight(int[] selectors, int from, int to, float[] x, float[] root, int at, float[] q, float scale) {
        FloatVector level = FloatVector.fromArray(FLOATS, q, 0).mul(scale);
        FloatVector d0 = level.sub(FloatVector.fromArray(FLOATS, x, at));
        IntVector e0 = FloatVector.fromArray(FLOATS, root, at).mul(d0).mul(d0).reinterpretAsInts();
        FloatVector d1 = level.sub(FloatVector.fromArray(FLOATS, x, at + 8));
        IntVector e1 =
                FloatVector.fromArray(FLOATS, root, at + 8).mul(d1).mul(d1).reinterpretAsInts();
        FloatVector d2 = level.sub(FloatVector.fromArray(FLOATS, x, at + 16));
        IntVector e2 =
                FloatVector.fromArray(FLOATS, root, at + 16).mul(d2).mul(d2).reinterpretAsInts();
        FloatVector d3 = level.sub(FloatVector.fromArray(FLOATS, x, at + 24));
        IntVector e3 =
                FloatVector.fromArray(FLOATS, root, at + 24).mul(d3).mul(d3).reinterpretAsInts();
        FloatVector best = FloatVector.broadcast(FLOATS, Float.MAX_VALUE);
        IntVector place = IntVector.broadcast(INTS, -1);
        for (int i = from; i < to; i += 8) {
            IntVector s = IntVector.fromArray(INTS, selectors, i);
            FloatVector error = s.selectFrom(e0).reinterpretAsFloats();
            IntVector s1 = s.lanewise(VectorOperators.LSHR, 4);
            error = s1.selectFrom(e0).reinterpretAsFloats().add(error);
            IntVector s2 = s.lanewise(VectorOperators.LSHR, 8);
            error = s2.selectFrom(e1).reinterpretAsFloats().add(error);
            IntVector s3 = s.lanewise(VectorOperators.LSHR, 12);
            error = s3.selectFrom(e1).reinterpretAsFloats().add(error);
            IntVector s4 = s.lanewise(VectorOperators.LSHR, 16);
            error = s4.selectFrom(e2).reinterpretAsFloats().add(error);
            IntVector s5 = s.lanewise(VectorOperators.LSHR, 20);
            error = s5.selectFrom(e2).reinterpretAsFloats().add(error);
            IntVector s6 = s.lanewise(VectorOperators.LSHR, 24);
            error = s6.selectFrom(e3).reinterpretAsFloats().add(error);
            IntVector s7 = s.lanewise(VectorOperators.LSHR, 28);
            error = s7.selectFrom(e3).reinterpretAsFloats().add(error);
            VectorMask<Float> kept = error.compare(VectorOperators.LT, best).not();
            best = error.blend(best, kept);
            place = IntVector.broadcast(INTS, i).blend(place, kept.cast(INTS));
        }
        IntVector order = best.reinterpretAsInts();
        int smallest = order.reduceLanes(VectorOperators.MIN);
        return PLACES.add(place)
                .blend(Integer.MAX_VALUE, order.compare(VectorOperators.NE, smallest))
                .reduceLanes(VectorOperators.MIN);
    }
}
