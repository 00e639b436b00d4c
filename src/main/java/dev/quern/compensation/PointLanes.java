package dev.quern.compensation;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The point {@code p} of a grid with the least {@code p M pᵀ + p·l}, eight points at a time. The two lengths are written
 * out, as the kernels of the package {@code simd} are and for the same reason: a method that took vectors would not be
 * inlined everywhere, and every call of it would put its vectors on the heap.
 *
 * <p>Loops end with {@code <}: with {@code !=} every load's index is checked in every step, which took twice the time.
 * The bodies are too long for the compiler to unroll, so that there are registers enough all the same.
 *
 * <p>Coefficients come in the order in which they are used: for each coordinate {@code i} its {@code l_i}, then
 * {@code 2 M_ij} for each {@code j} before it, then {@code M_ii}.
 */
final class PointLanes {
    /** Coefficients for four coordinates. */
    static final int FOUR = 14;

    /** Coefficients for eight coordinates. */
    static final int EIGHT = 44;

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_256;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_256;
    private static final IntVector PLACES = IntVector.zero(INTS).addIndex(1);

    private PointLanes() {}

    /**
     * @param x all points' first coordinates, then their second ones, and so on
     * @param size points, a multiple of eight
     * @param c coefficients
     * @return a point's number, the first of several equally good; 0 if no sum is a number below infinity
     */
    static int four(float[] x, int size, float[] c) {
        FloatVector best = FloatVector.broadcast(FLOATS, Float.POSITIVE_INFINITY);
        IntVector place = IntVector.zero(INTS);
        for (int i = 0; i < size; i += 8) {
            FloatVector x0 = FloatVector.fromArray(FLOATS, x, i);
            FloatVector sum = x0.fma(FloatVector.broadcast(FLOATS, c[1]), FloatVector.broadcast(FLOATS, c[0]));
            FloatVector cost = sum.mul(x0);
            FloatVector x1 = FloatVector.fromArray(FLOATS, x, size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[3]), FloatVector.broadcast(FLOATS, c[2]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[4]), sum);
            cost = x1.fma(sum, cost);
            FloatVector x2 = FloatVector.fromArray(FLOATS, x, 2 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[6]), FloatVector.broadcast(FLOATS, c[5]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[7]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[8]), sum);
            cost = x2.fma(sum, cost);
            FloatVector x3 = FloatVector.fromArray(FLOATS, x, 3 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[10]), FloatVector.broadcast(FLOATS, c[9]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[11]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[12]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[13]), sum);
            cost = x3.fma(sum, cost);
            VectorMask<Float> kept = cost.compare(VectorOperators.LT, best).not();
            best = cost.blend(best, kept);
            place = IntVector.broadcast(INTS, i).blend(place, kept.cast(INTS));
        }
        float least = best.reduceLanes(VectorOperators.MIN);
        int found = PLACES.add(place)
                .blend(
                        Integer.MAX_VALUE,
                        best.compare(VectorOperators.EQ, least).not().cast(INTS))
                .reduceLanes(VectorOperators.MIN);
        return least == Float.POSITIVE_INFINITY ? 0 : found;
    }

    /** The same with eight coordinates. */
    static int eight(float[] x, int size, float[] c) {
        FloatVector best = FloatVector.broadcast(FLOATS, Float.POSITIVE_INFINITY);
        IntVector place = IntVector.zero(INTS);
        for (int i = 0; i < size; i += 8) {
            FloatVector x0 = FloatVector.fromArray(FLOATS, x, i);
            FloatVector sum = x0.fma(FloatVector.broadcast(FLOATS, c[1]), FloatVector.broadcast(FLOATS, c[0]));
            FloatVector cost = sum.mul(x0);
            FloatVector x1 = FloatVector.fromArray(FLOATS, x, size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[3]), FloatVector.broadcast(FLOATS, c[2]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[4]), sum);
            cost = x1.fma(sum, cost);
            FloatVector x2 = FloatVector.fromArray(FLOATS, x, 2 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[6]), FloatVector.broadcast(FLOATS, c[5]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[7]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[8]), sum);
            cost = x2.fma(sum, cost);
            FloatVector x3 = FloatVector.fromArray(FLOATS, x, 3 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[10]), FloatVector.broadcast(FLOATS, c[9]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[11]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[12]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[13]), sum);
            cost = x3.fma(sum, cost);
            FloatVector x4 = FloatVector.fromArray(FLOATS, x, 4 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[15]), FloatVector.broadcast(FLOATS, c[14]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[16]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[17]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[18]), sum);
            sum = x4.fma(FloatVector.broadcast(FLOATS, c[19]), sum);
            cost = x4.fma(sum, cost);
            FloatVector x5 = FloatVector.fromArray(FLOATS, x, 5 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[21]), FloatVector.broadcast(FLOATS, c[20]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[22]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[23]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[24]), sum);
            sum = x4.fma(FloatVector.broadcast(FLOATS, c[25]), sum);
            sum = x5.fma(FloatVector.broadcast(FLOATS, c[26]), sum);
            cost = x5.fma(sum, cost);
            FloatVector x6 = FloatVector.fromArray(FLOATS, x, 6 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[28]), FloatVector.broadcast(FLOATS, c[27]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[29]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[30]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[31]), sum);
            sum = x4.fma(FloatVector.broadcast(FLOATS, c[32]), sum);
            sum = x5.fma(FloatVector.broadcast(FLOATS, c[33]), sum);
            sum = x6.fma(FloatVector.broadcast(FLOATS, c[34]), sum);
            cost = x6.fma(sum, cost);
            FloatVector x7 = FloatVector.fromArray(FLOATS, x, 7 * size + i);
            sum = x0.fma(FloatVector.broadcast(FLOATS, c[36]), FloatVector.broadcast(FLOATS, c[35]));
            sum = x1.fma(FloatVector.broadcast(FLOATS, c[37]), sum);
            sum = x2.fma(FloatVector.broadcast(FLOATS, c[38]), sum);
            sum = x3.fma(FloatVector.broadcast(FLOATS, c[39]), sum);
            sum = x4.fma(FloatVector.broadcast(FLOATS, c[40]), sum);
            sum = x5.fma(FloatVector.broadcast(FLOATS, c[41]), sum);
            sum = x6.fma(FloatVector.broadcast(FLOATS, c[42]), sum);
            sum = x7.fma(FloatVector.broadcast(FLOATS, c[43]), sum);
            cost = x7.fma(sum, cost);
            VectorMask<Float> kept = cost.compare(VectorOperators.LT, best).not();
            best = cost.blend(best, kept);
            place = IntVector.broadcast(INTS, i).blend(place, kept.cast(INTS));
        }
        float least = best.reduceLanes(VectorOperators.MIN);
        int found = PLACES.add(place)
                .blend(
                        Integer.MAX_VALUE,
                        best.compare(VectorOperators.EQ, least).not().cast(INTS))
                .reduceLanes(VectorOperators.MIN);
        return least == Float.POSITIVE_INFINITY ? 0 : found;
    }
}
