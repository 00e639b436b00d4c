package dev.quern.quantization.simd;

import static dev.quern.quantization.simd.Lanes.COUNT;
import static dev.quern.quantization.simd.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The search by refinement of {@link dev.quern.quantization.scalar.SymmetricSearch} for eight groups at once, one a
 * lane. A lane that a round leaves as it was stays so in the next, so the rounds end when no lane changes.
 */
final class RefinedLanes {
    private static final float MAGIC = 12582912f;
    private static final int MAGIC_BITS = 0x4b400000;
    private static final int MANTISSA = 0x007fffff;
    private static final int MAGIC_MANTISSA = 0x00400000;
    private static final float ZERO = 1e-15f;

    /** Values, transposed; the caller fills them. */
    final float[] x = new float[16 * COUNT];

    /** The results: the scale, and the codes from -max to max - 1, transposed. */
    final float[] scale = new float[COUNT];

    final float[] codes = new float[16 * COUNT];

    private final float[] products = new float[16 * COUNT];
    private final float[] extreme = new float[COUNT];
    private final float[] sums = new float[2 * COUNT];

    void search(int n, int max) {
        int end = n * COUNT;
        prepare(x, end, extreme, products);
        fit(x, products, codes, end, extreme, max, sums);
        for (int round = 0; round < 5; round++) {
            boolean changed = false;
            for (int i = 0; i < end; i += COUNT) {
                changed |= refine(x, products, codes, i, max, sums);
            }
            if (!changed) {
                break;
            }
        }
        finish(extreme, sums, scale);
    }

    /** Whether a lane's group counts as zeros: its codes are then all the lowest. */
    boolean isZero(int lane) {
        return Math.abs(extreme[lane]) < ZERO;
    }

    /** The value of largest magnitude in each lane, the first of equals; and weight x value, the weight being x^2. */
    private static void prepare(float[] x, int end, float[] extreme, float[] products) {
        FloatVector largest = FloatVector.zero(FLOATS);
        FloatVector magnitude = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector abs = value.abs();
            VectorMask<Float> larger = abs.compare(VectorOperators.GT, magnitude);
            magnitude = abs.blend(magnitude, larger.not());
            largest = value.blend(largest, larger.not());
            value.mul(value).mul(value).intoArray(products, i);
        }
        largest.intoArray(extreme, 0);
    }

    private static void fit(
            float[] x, float[] products, float[] codes, int end, float[] extreme, int max, float[] sums) {
        FloatVector factor = FloatVector.broadcast(FLOATS, -max).div(FloatVector.fromArray(FLOATS, extreme, 0));
        FloatVector lx = FloatVector.zero(FLOATS);
        FloatVector l2 = FloatVector.zero(FLOATS);
        for (int i = 0; i < end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i);
            FloatVector code = value.mul(factor)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS - max)
                    .min(MAGIC_BITS + max - 1)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            code.intoArray(codes, i);
            lx = FloatVector.fromArray(FLOATS, products, i).mul(code).add(lx);
            l2 = value.mul(value).mul(code).mul(code).add(l2);
        }
        lx.intoArray(sums, 0);
        l2.intoArray(sums, COUNT);
    }

    /** One value of each lane: the code that suits the others' sums best, where it improves on the present one. */
    private static boolean refine(float[] x, float[] products, float[] codes, int at, int max, float[] sums) {
        FloatVector lx = FloatVector.fromArray(FLOATS, sums, 0);
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        FloatVector value = FloatVector.fromArray(FLOATS, x, at);
        FloatVector weight = value.mul(value);
        FloatVector product = FloatVector.fromArray(FLOATS, products, at);
        FloatVector code = FloatVector.fromArray(FLOATS, codes, at);
        FloatVector otherLx = lx.sub(product.mul(code));
        FloatVector otherL2 = l2.sub(weight.mul(code).mul(code));
        IntVector nearest = value.mul(otherL2)
                .div(otherLx)
                .add(MAGIC)
                .reinterpretAsInts()
                .and(MANTISSA)
                .sub(MAGIC_MANTISSA)
                .max(-max)
                .min(max - 1);
        FloatVector next = (FloatVector) nearest.convert(VectorOperators.I2F, 0);
        VectorMask<Float> differs = next.compare(VectorOperators.NE, code).and(otherLx.compare(VectorOperators.GT, 0));
        // Later on mostly no lane wants a change; the sums then stay, and the next value need not wait for them.
        if (!differs.anyTrue()) {
            return false;
        }
        FloatVector nextLx = otherLx.add(product.mul(next));
        FloatVector nextL2 = otherL2.add(weight.mul(next).mul(next));
        VectorMask<Float> better = nextLx.mul(nextLx)
                .mul(l2)
                .compare(VectorOperators.GT, lx.mul(lx).mul(nextL2))
                .and(nextL2.compare(VectorOperators.GT, 0))
                .and(differs);
        lx.blend(nextLx, better).intoArray(sums, 0);
        l2.blend(nextL2, better).intoArray(sums, COUNT);
        code.blend(next, better).intoArray(codes, at);
        return better.anyTrue();
    }

    private static void finish(float[] extreme, float[] sums, float[] scale) {
        FloatVector l2 = FloatVector.fromArray(FLOATS, sums, COUNT);
        VectorMask<Float> none = l2.compare(VectorOperators.GT, 0)
                .not()
                .or(FloatVector.fromArray(FLOATS, extreme, 0).abs().compare(VectorOperators.LT, ZERO));
        FloatVector.fromArray(FLOATS, sums, 0).div(l2).blend(0, none).intoArray(scale, 0);
    }
}
