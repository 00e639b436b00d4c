package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each lane of the kernels for many levels against a plain loop over its group: the same bits. */
class FineSumsTest {
    private static final int HIGH = 127;

    private final float[] x = new float[GroupLanes.VALUES];
    private final float[] w = new float[GroupLanes.VALUES];
    private final float[] inverses = new float[2 * COUNT];

    static Stream<Integer> seeds() {
        return Stream.iterate(0, seed -> seed + 1).limit(40);
    }

    private void fill(int seed, float most) {
        Random random = new Random(seed);
        for (int i = 0; i < x.length; i++) {
            x[i] = i % COUNT == seed % 11 ? 0 : Math.clamp((float) random.nextGaussian(), -3, 3);
            w[i] = (float) Math.exp(random.nextGaussian() * (seed % 4));
        }
        for (int i = 0; i < inverses.length; i++) {
            inverses[i] = random.nextFloat() * most;
        }
    }

    private float[] plain(int lane, float inverse, int high) {
        float[] sums = new float[2];
        for (int i = lane; i < x.length; i += COUNT) {
            float scaled = x[i] * inverse;
            float level = (float) Math.clamp(Math.rint(scaled), -high, high);
            float left = scaled - level;
            sums[0] = Math.fma(left * w[i], level, sums[0]);
            sums[1] = Math.fma(left * w[i], left, sums[1]);
        }
        return sums;
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatRoundingLeaves(int seed) {
        float[] sums = new float[4 * COUNT];
        for (int high : new int[] {HIGH, Integer.MAX_VALUE}) {
            fill(seed, 2 * HIGH / 3f);
            if (high == HIGH) {
                FineSums.clipped(x, w, 0, x.length, inverses, high, sums);
            } else {
                FineSums.unclipped(x, w, 0, x.length, inverses, sums);
            }
            for (int i = 0; i < inverses.length; i++) {
                int at = i / COUNT * 2 * COUNT + i % COUNT;
                assertThat(new float[] {sums[at], sums[at + COUNT]}).isEqualTo(plain(i % COUNT, inverses[i], high));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void threeScalesAtOnce(int seed) {
        fill(seed, 0.05f);
        float[] scales = Arrays.copyOf(inverses, 3 * COUNT);
        float[] errors = new float[3 * COUNT];
        float[] one = new float[COUNT];
        FineSums.errorsOfThree(x, w, 0, x.length, scales, 0, COUNT, HIGH, errors);
        for (int from = 0; from < scales.length; from += COUNT) {
            EvenLevels.error(x, w, 0, x.length, scales, new float[3 * COUNT], from, -HIGH, HIGH, one, 0);
            assertThat(Arrays.copyOfRange(errors, from, from + COUNT)).isEqualTo(one);
        }
    }

    /** The scale that is kept is that of least squares, and what it is said to cost it does cost, rounded to F16. */
    @ParameterizedTest
    @MethodSource("seeds")
    void keptScales(int seed) {
        fill(seed, 40);
        float[] sums = new float[4 * COUNT];
        float[] energies = new float[COUNT];
        float[] scales = new float[COUNT];
        float[] gains = new float[COUNT];
        Arrays.fill(gains, -Float.MAX_VALUE);
        for (int i = 0; i < COUNT; i++) {
            inverses[i] += 2;
        }
        FineSums.energies(x, w, 0, x.length, energies, 0);
        FineSums.clipped(x, w, 0, x.length, inverses, HIGH, sums);
        FineSums.keepBetter(sums, inverses, 0, energies, scales, gains, 0);
        for (int lane = 0; lane < COUNT; lane++) {
            double products = 0;
            double squares = 0;
            double energy = 0;
            double error = 0;
            double stored = Float.float16ToFloat(Float.floatToFloat16(scales[lane]));
            for (int i = lane; i < x.length; i += COUNT) {
                double level = Math.clamp(Math.rint(x[i] * inverses[lane]), -HIGH, HIGH);
                products += w[i] * level * x[i];
                squares += w[i] * level * level;
                energy += (double) w[i] * x[i] * x[i];
                error += w[i] * (x[i] - stored * level) * (x[i] - stored * level);
            }
            assertThat((double) energies[lane]).isBetween(energy * 0.99999, energy * 1.00001);
            if (energy == 0) {
                assertThat(scales[lane]).isZero();
            } else if (squares * 500 > energy * inverses[lane] * inverses[lane]) {
                assertThat(scales[lane] * squares / products).isBetween(0.9999, 1.0001);
                assertThat(-gains[lane] / error).isBetween(0.999, 1.001);
            }
        }
    }

    /** A trial that is worse, or no number, changes nothing. */
    @ParameterizedTest
    @MethodSource("seeds")
    void worseTrialsAreNotKept(int seed) {
        fill(seed, 40);
        float[] sums = new float[4 * COUNT];
        float[] energies = new float[COUNT];
        float[] scales = new float[COUNT];
        float[] gains = new float[COUNT];
        FineSums.energies(x, w, 0, x.length, energies, 0);
        FineSums.clipped(x, w, 0, x.length, inverses, HIGH, sums);
        FineSums.keepBetter(sums, inverses, COUNT, energies, scales, gains, 0);
        assertThat(scales).containsOnly(0);
        assertThat(gains).containsOnly(0);
    }
}
