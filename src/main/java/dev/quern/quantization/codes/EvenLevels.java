package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static dev.quern.quantization.codes.GroupLanes.FLOATS;
import static dev.quern.quantization.scalar.Rounding.MAGIC;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** What the nearest of levels that are integers make of values; how they are found is the same in {@link EvenSums}. */
final class EvenLevels {
    /**
     * Adding {@code MAGIC} leaves a float of magnitude below 2^22 rounded to nearest even; its bits, as an integer,
     * then are these plus what was rounded to, and larger or smaller (monotonically) beyond 2^22, so levels are clamped
     * there: minima and maxima of integers are one instruction, those of floats many.
     */
    static final int MAGIC_BITS = 0x4b400000;

    private EvenLevels() {}

    /**
     * {@code Σ w (x - (scale · l - minimum))²} with the levels nearest for each lane's scale and minimum.
     *
     * @param scales and {@code minima}: one for each group, from {@code from} on
     */
    static void error(
            float[] x,
            float[] w,
            int at,
            int end,
            float[] scales,
            float[] minima,
            int from,
            int low,
            int high,
            float[] out,
            int to) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, from);
        FloatVector minimum = FloatVector.fromArray(FLOATS, minima, from);
        FloatVector inverse =
                FloatVector.broadcast(FLOATS, 1).div(scale).blend(0, scale.compare(VectorOperators.EQ, 0));
        FloatVector sum = FloatVector.zero(FLOATS);
        for (int i = at; i != end; i += COUNT) {
            FloatVector value = FloatVector.fromArray(FLOATS, x, i).add(minimum);
            FloatVector level = value.mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .reinterpretAsFloats()
                    .sub(MAGIC);
            FloatVector difference = value.sub(level.mul(scale));
            sum = difference.mul(FloatVector.fromArray(FLOATS, w, i)).fma(difference, sum);
        }
        sum.intoArray(out, to);
    }

    /** The codes of one group's values, which lie side by side: levels plus {@code centre}. */
    static void codes(
            float[] x,
            int at,
            int count,
            float inverse,
            float minimum,
            int low,
            int high,
            int centre,
            byte[] codes,
            int to) {
        for (int i = 0; i < count; i += COUNT) {
            ByteVector code = (ByteVector) FloatVector.fromArray(FLOATS, x, at + i)
                    .add(minimum)
                    .mul(inverse)
                    .add(MAGIC)
                    .reinterpretAsInts()
                    .max(MAGIC_BITS + low)
                    .min(MAGIC_BITS + high)
                    .sub(MAGIC_BITS - centre)
                    .convertShape(VectorOperators.I2B, ByteVector.SPECIES_64, 0);
            code.intoArray(codes, to + i);
        }
    }
}
