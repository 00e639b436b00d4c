package dev.quern.quantization.simd;

import dev.quern.quantization.scalar.E2m1;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Eight values at a time, each lane trying all codes. */
final class SimdE2m1 extends E2m1 {
    private final float[] levels = new float[16];

    @Override
    protected float largest(float[] row, int from, int count) {
        float largest = 0;
        for (int i = from; i < from + count; i += 2 * Lanes.COUNT) {
            largest = Math.max(largest, largestOfSixteen(row, i));
        }
        return largest;
    }

    /** Without a vector that lives from one round of a loop to the next: such a one was allocated, in one order of use. */
    private static float largestOfSixteen(float[] row, int from) {
        IntVector low = FloatVector.fromArray(Lanes.FLOATS, row, from).abs().reinterpretAsInts();
        IntVector high = FloatVector.fromArray(Lanes.FLOATS, row, from + Lanes.COUNT)
                .abs()
                .reinterpretAsInts();
        return Float.intBitsToFloat(low.max(high).reduceLanes(VectorOperators.MAX));
    }

    @Override
    protected void nearest(float[] row, int from, int count, float halfScale, int[] codes) {
        for (int code = 0; code < 16; code++) {
            levels[code] = doubled(code) * halfScale;
        }
        for (int i = 0; i < count; i += Lanes.COUNT) {
            nearestEight(row, from + i, levels, codes, i);
        }
    }

    private static void nearestEight(float[] row, int from, float[] levels, int[] codes, int to) {
        FloatVector value = FloatVector.fromArray(Lanes.FLOATS, row, from);
        FloatVector error =
                FloatVector.broadcast(Lanes.FLOATS, levels[0]).sub(value).abs();
        IntVector best = IntVector.zero(Lanes.INTS);
        for (int code = 1; code < 16; code++) {
            FloatVector e =
                    FloatVector.broadcast(Lanes.FLOATS, levels[code]).sub(value).abs();
            VectorMask<Float> kept = e.compare(VectorOperators.LT, error).not();
            error = e.blend(error, kept);
            best = IntVector.broadcast(Lanes.INTS, code).blend(best, kept.cast(Lanes.INTS));
        }
        best.intoArray(codes, to);
    }
}
