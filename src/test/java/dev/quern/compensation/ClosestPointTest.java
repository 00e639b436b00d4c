package dev.quern.compensation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.codes.LatticeForm;
import dev.quern.quantization.lattice.Grid;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Against all points of the grid, one after the other and in double. */
class ClosestPointTest {
    private static final int COUNT = 8;

    private static float[] metric(Random random, int kind) {
        double[][] vectors = new double[kind == 0 ? 8 : 11][COUNT];
        for (double[] vector : vectors) {
            double common = kind == 2 ? random.nextGaussian() : 0;
            for (int i = 0; i < COUNT; i++) {
                vector[i] = common + random.nextGaussian() * (kind == 3 ? Math.pow(10, i - 4.0) : 0.4);
            }
        }
        float[] metric = new float[COUNT * COUNT];
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++) {
                double sum = i == j ? 1e-6 : 0;
                for (double[] vector : vectors) {
                    sum += vector[i] * vector[j];
                }
                metric[i * COUNT + j] = kind == 0 && i != j ? 0 : (float) sum;
            }
        }
        return metric;
    }

    private static double cost(float[] metric, float[] wanted, double[] values) {
        double cost = 0;
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++) {
                cost += (wanted[i] - values[i]) * metric[i * COUNT + j] * (wanted[j] - values[j]);
            }
        }
        return cost;
    }

    private static double[] doubles(float[] values) {
        double[] out = new double[values.length];
        Arrays.setAll(out, i -> values[i]);
        return out;
    }

    @ParameterizedTest
    @EnumSource
    void noPointIsNearerUnderItsSigns(LatticeForm form) {
        Grid grid = form.grid();
        int dimension = grid.dimension();
        Random random = new Random(form.group());
        ClosestPoint closest = new ClosestPoint(form);
        int wrongSigns = 0;
        for (int trial = 0; trial < 600; trial++) {
            float[] metric = metric(random, trial % 4);
            float scale = (float) ((trial % 5 == 4 ? -1 : 1) * Math.pow(10, random.nextInt(9) - 6));
            float[] wanted = new float[COUNT];
            for (int i = 0; i < COUNT; i++) {
                double size = trial % 7 == 0 ? 200 : grid.levels() == 3 ? 20 : 9;
                wanted[i] = random.nextInt(12) == 0 ? 0 : (float) (random.nextGaussian() * size * scale);
            }
            float[] padded = new float[COUNT + 3];
            Arrays.fill(padded, 77);
            closest.choose(metric, wanted, scale, padded, 2);
            assertThat(new float[] {padded[0], padded[1], padded[10]}).containsOnly(77f);
            float[] found = Arrays.copyOfRange(padded, 2, 10);

            int minus = 0;
            int wrong = 0;
            for (int i = 0; i < COUNT; i++) {
                boolean negative = found[i] / scale < 0;
                minus += negative ? 1 : 0;
                wrong += negative == wanted[i] / scale < 0 ? 0 : 1;
            }
            if (form.hasEvenSigns()) {
                assertThat(minus % 2).isZero();
                assertThat(wrong).isLessThanOrEqualTo(1);
                wrongSigns += wrong;
            } else {
                assertThat(wrong).isZero();
            }
            double own = cost(metric, wanted, doubles(found));
            for (int first = 0; first < COUNT; first += dimension) {
                boolean isPoint = false;
                for (int p = 0; p < grid.size(); p++) {
                    double[] other = doubles(found);
                    for (int i = 0; i < dimension; i++) {
                        other[first + i] = Math.copySign(scale * grid.value(p, i), found[first + i]);
                    }
                    isPoint |= Arrays.equals(other, doubles(found));
                    // The first of two points had another beside it when it was chosen.
                    if (first + dimension == COUNT) {
                        double tolerance = 1e-4 * own + 1e-5 * cost(metric, wanted, new double[COUNT]);
                        assertThat(cost(metric, wanted, other)).isGreaterThanOrEqualTo(own - tolerance);
                    }
                }
                assertThat(isPoint).as("%s %s", form, Arrays.toString(found)).isTrue();
            }
        }
        assertThat(wrongSigns > 100).isEqualTo(form.hasEvenSigns());
    }

    /** What is already a point's values stays. */
    @ParameterizedTest
    @EnumSource
    void pointsAreTheirOwnNearest(LatticeForm form) {
        Grid grid = form.grid();
        Random random = new Random(5);
        ClosestPoint closest = new ClosestPoint(form);
        float[] found = new float[COUNT];
        for (int trial = 0; trial < 300; trial++) {
            float[] wanted = new float[COUNT];
            int signs = random.nextInt(256);
            if (form.hasEvenSigns()) {
                signs = signs & 127 | (Integer.bitCount(signs & 127) & 1) << 7;
            }
            for (int first = 0; first < COUNT; first += grid.dimension()) {
                grid.put(random.nextInt(grid.size()), 0.25f, signs >> first, wanted, first);
            }
            closest.choose(metric(random, trial % 3), wanted, 0.25f, found, 0);
            assertThat(found).containsExactly(wanted);
        }
    }

    @Test
    void noScaleAndNoNumbers() {
        for (LatticeForm form : LatticeForm.values()) {
            ClosestPoint closest = new ClosestPoint(form);
            float[] metric = metric(new Random(1), 1);
            float[] found = {1, 2, 3, 4, 5, 6, 7, 8};
            closest.choose(metric, new float[] {1, -2, 3, 4, 5, 6, 7, 8}, 0, found, 0);
            assertThat(found).containsOnly(0f);
            float[] wanted = new float[COUNT];
            wanted[3] = Float.NaN;
            closest.choose(metric, wanted, 1, found, 0);
            int dimension = form.grid().dimension();
            for (int i = 0; i < COUNT; i++) {
                assertThat(found[i]).isEqualTo(form.grid().value(0, i % dimension));
            }
        }
    }
}
