package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** y = x / sqrt(mean(x²) + epsilon) · weight, row by row. */
final class RmsNorm {
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_128;
    private static final VectorSpecies<Double> DOUBLES = DoubleVector.SPECIES_256;

    private RmsNorm() {}

    /** Normalizes rows {@code first .. first + count - 1} of {@code x} into the same rows of {@code y}. */
    static void apply(Blocked x, float[] weight, float epsilon, int first, int count, Packed y) {
        for (int row = first; row < first + count; row++) {
            double sum = 0;
            for (int block = 0; block < x.blocks(); block++) {
                sum += squares(x.values(), x.at(block, row), x.blockWidth(block));
            }
            float scale = (float) (1 / Math.sqrt(sum / x.width() + epsilon));
            for (int block = 0; block < x.blocks(); block++) {
                scale(
                        x.values(),
                        x.at(block, row),
                        x.blockWidth(block),
                        scale,
                        weight,
                        block * Blocked.BLOCK,
                        y.values(),
                        y.at(block, row));
            }
        }
    }

    private static double squares(float[] x, int at, int count) {
        DoubleVector even = DoubleVector.zero(DOUBLES);
        DoubleVector odd = DoubleVector.zero(DOUBLES);
        int i = 0;
        for (; i <= count - 8; i += 8) {
            DoubleVector a = (DoubleVector)
                    FloatVector.fromArray(FLOATS, x, at + i).convertShape(VectorOperators.F2D, DOUBLES, 0);
            DoubleVector b = (DoubleVector)
                    FloatVector.fromArray(FLOATS, x, at + i + 4).convertShape(VectorOperators.F2D, DOUBLES, 0);
            even = a.fma(a, even);
            odd = b.fma(b, odd);
        }
        // Not reduceLanes(ADD): its order is another in the interpreter than in compiled code, and so are its bits.
        DoubleVector all = even.add(odd);
        double sum = (all.lane(0) + all.lane(2)) + (all.lane(1) + all.lane(3));
        for (; i < count; i++) {
            sum += (double) x[at + i] * x[at + i];
        }
        return sum;
    }

    private static void scale(
            float[] x, int xAt, int count, float scale, float[] weight, int weightAt, float[] y, int yAt) {
        for (int i = 0; i < count; i++) {
            y[yAt + i * Tile.ROWS] = x[xAt + i] * scale * weight[weightAt + i];
        }
    }
}
