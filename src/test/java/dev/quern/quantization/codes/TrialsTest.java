package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** How the trials of a search are set up, compared and ended, against plain loops. */
class TrialsTest {
    static Stream<Integer> seeds() {
        return Stream.iterate(0, seed -> seed + 1).limit(40);
    }

    private static float[] normal(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextInt(7) == 0 ? 0 : (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
        }
        return values;
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void inverses(int seed) {
        Random random = new Random(seed);
        float[] scales = normal(random, 2 * COUNT);
        float[] units = normal(random, 2 * COUNT);
        float[] all = new float[2 * COUNT];
        float[] beside = new float[2 * COUNT];
        float[] eight = new float[COUNT];
        EvenSums.inversesFor(8.8f, units, COUNT, all);
        EvenSums.inversesBeside(scales, units, COUNT, 0.3f, beside);
        OffsetSums.inverses(scales, COUNT, 1.1f, eight);
        for (int lane = 0; lane < COUNT; lane++) {
            float unit = units[COUNT + lane];
            float scale = scales[COUNT + lane];
            float inverse = scale == 0 ? 0 : 1 / scale;
            assertThat(all[lane]).isEqualTo(8.8f * unit);
            assertThat(all[COUNT + lane]).isEqualTo(-(8.8f * unit));
            assertThat(beside[lane]).isEqualTo(inverse + 0.3f * unit);
            assertThat(beside[COUNT + lane]).isEqualTo(inverse - 0.3f * unit);
            assertThat(eight[lane]).isEqualTo(scale == 0 ? 0 : 1 / (scale * 1.1f));
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void clippedRanges(int seed) {
        Random random = new Random(seed);
        float[] least = normal(random, 2 * COUNT);
        float[] most = new float[2 * COUNT];
        for (int i = 0; i < most.length; i++) {
            most[i] = least[i] + (random.nextInt(4) == 0 ? 0 : random.nextFloat());
        }
        float[] widths = new float[COUNT];
        float[] offsets = new float[COUNT];
        float[] inverses = new float[COUNT];
        OffsetSums.clip(least, most, COUNT, 0.1875f, 15, 1e-15f, widths, offsets);
        OffsetSums.inversesFor(14.2f, widths, inverses);
        for (int lane = 0; lane < COUNT; lane++) {
            float low = least[COUNT + lane];
            float range = most[COUNT + lane] - low;
            float from = low + 0.1875f * range / 15;
            assertThat(offsets[lane]).isEqualTo(-from);
            assertThat(inverses[lane]).isEqualTo(range < 1e-15f ? 0 : 14.2f / (most[COUNT + lane] - from));
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void integersBesideTheNearest(int seed) {
        Random random = new Random(seed);
        float[] wanted = normal(random, 2 * COUNT);
        wanted[3] = seed % 3 == 0 ? 1e38f : 0;
        float factor = seed % 5 == 0 ? 0 : (float) Math.exp(random.nextGaussian() - 2);
        float[] integers = new float[6 * COUNT];
        float[] products = new float[6 * COUNT];
        for (int aside = -1; aside <= 1; aside++) {
            int at = (aside + 1) * 2 * COUNT;
            OffsetSums.beside(wanted, factor, aside, 15, integers, products, at);
            for (int i = 0; i < wanted.length; i++) {
                double nearest = factor == 0 ? 0 : Math.rint(wanted[i] / factor);
                // A quotient beyond float's range counts as none.
                nearest = Double.isInfinite(wanted[i] / factor) ? 0 : nearest;
                float expected = (float) Math.clamp(nearest + aside, 0, 15);
                assertThat(integers[at + i]).isEqualTo(expected);
                assertThat(products[at + i]).isEqualTo(factor * expected);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void threeMinimaAtOnce(int seed) {
        Random random = new Random(seed);
        int length = seed % 2 == 0 ? 16 : 32;
        int groups = GroupLanes.VALUES / length;
        float[] x = normal(random, GroupLanes.VALUES);
        float[] w = new float[GroupLanes.VALUES];
        for (int i = 0; i < w.length; i++) {
            w[i] = (float) Math.exp(random.nextGaussian() * (seed % 3));
        }
        float[] scales = normal(random, 3 * groups);
        float[] minima = normal(random, 3 * groups);
        float[] errors = new float[3 * groups];
        float[] one = new float[COUNT];
        for (int group = 0; group < groups; group += COUNT) {
            int at = group * length;
            int end = at + COUNT * length;
            OffsetSums.errorsOfThree(x, w, at, end, scales, groups + group, minima, group, groups, 3, errors);
            for (int i = 0; i < 3; i++) {
                float[] scale = Arrays.copyOfRange(scales, groups + group, groups + group + COUNT);
                float[] minimum = Arrays.copyOfRange(minima, i * groups + group, i * groups + group + COUNT);
                EvenLevels.error(x, w, at, end, scale, minimum, 0, 0, 3, one, 0);
                assertThat(Arrays.copyOfRange(errors, i * groups + group, i * groups + group + COUNT))
                        .isEqualTo(one);
            }
        }
    }

    @Test
    void keepsTheLessAndTheFirstOfEquals() {
        float[] errors = {9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, Float.NaN, 5, 6, 7, 8};
        float[] best = {2, 2, 2, 2, 2, 2, Float.POSITIVE_INFINITY, 2};
        float[] trials = {4, 4, 4, 4, 4, 4, 4, 4};
        OffsetSums.keepLess(errors, COUNT, 7, best, trials);
        assertThat(best).containsExactly(1, 2, 2, 2, 2, 2, 7, 2);
        assertThat(trials).containsExactly(7, 4, 4, 4, 4, 4, 7, 4);
    }

    /**
     * Where trials are said to be hopeless, none of them is better, whatever scale is fitted: with even weights, uneven
     * ones that make clipping cheap, and single values far larger than the others.
     */
    @ParameterizedTest
    @MethodSource("seeds")
    void hopelessTrialsAre(int seed) {
        Random random = new Random(seed);
        int length = seed % 2 == 0 ? 16 : 32;
        int low = seed % 4 < 2 ? -127 : -32;
        int high = seed % 4 < 2 ? 127 : 31;
        float extreme = Math.max(-low, high);
        float first = extreme * 1.1f;
        boolean even = seed % 5 == 0;
        float[] x = normal(random, COUNT * length);
        float[] w = new float[x.length];
        for (int i = 0; i < w.length; i++) {
            w[i] = (float) Math.exp(random.nextGaussian() * (seed % 5));
            x[i] = even ? (float) random.nextGaussian() : x[i] * (random.nextInt(40) == 0 ? 30 : 1);
        }
        float[] units = new float[COUNT];
        float[] largest = new float[3 * COUNT];
        EvenSums.magnitudes(x, 0, x.length, units, 0);
        for (int lane = 0; lane < COUNT; lane++) {
            units[lane] = 1 / units[lane];
        }
        EvenSums.largest(x, w, 0, x.length, units, 0, (Math.min(-low, high) + 0.5f) / first, largest);
        double[] best = new double[COUNT];
        Arrays.fill(best, Double.POSITIVE_INFINITY);
        float[] gains = new float[COUNT];
        boolean ended = false;
        for (float levels = extreme * 0.9f; levels < first; levels += extreme / 200) {
            for (int lane = 0; lane < COUNT; lane++) {
                gains[lane] = (float) -best[lane];
            }
            ended |= levels > extreme && EvenSums.isHopeless(largest, units, gains, 0, levels, extreme);
            for (int lane = 0; lane < COUNT; lane++) {
                double error = Math.min(
                        error(x, w, lane, levels * units[lane], low, high),
                        error(x, w, lane, -levels * units[lane], low, high));
                if (ended) {
                    assertThat(error).isGreaterThan(best[lane]);
                } else {
                    best[lane] = Math.min(best[lane], error);
                }
            }
        }
        // With weights as they mostly are there is something to show.
        assertThat(ended || !even || extreme < 127).isTrue();
    }

    /** The error of a lane's rounding with its least-squares scale. */
    private static double error(float[] x, float[] w, int lane, float inverse, int low, int high) {
        int[] own = IntStream.range(0, x.length).filter(i -> i % COUNT == lane).toArray();
        double products = 0;
        double squares = 0;
        double all = 0;
        for (int i : own) {
            double level = Math.clamp(Math.rint(x[i] * inverse), low, high);
            products += w[i] * level * x[i];
            squares += w[i] * level * level;
            all += (double) w[i] * x[i] * x[i];
        }
        return squares == 0 ? all : all - products * products / squares;
    }
}
