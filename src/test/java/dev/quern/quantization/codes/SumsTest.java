package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.scalar.NonlinearCodes;
import dev.quern.quantization.simd.NonlinearLevels;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each lane of the kernels against a plain loop over its group: the same bits. */
class SumsTest {
    private final float[] x = new float[GroupLanes.VALUES];
    private final float[] w = new float[GroupLanes.VALUES];
    private final float[] inverses = new float[2 * COUNT];
    private final float[] offsets = new float[COUNT];
    private final float[] sums = new float[4 * COUNT];

    static Stream<Integer> seeds() {
        return Stream.iterate(0, seed -> seed + 1).limit(60);
    }

    /** Ordinary groups, groups of zeros, and inverses by which values go far beyond the levels. */
    private int fill(int seed) {
        Random random = new Random(seed);
        int length = seed % 2 == 0 ? 16 : 32;
        for (int i = 0; i < x.length; i++) {
            boolean empty = i % COUNT == seed % 11;
            x[i] = empty ? 0 : (float) (random.nextGaussian() * Math.exp(random.nextGaussian()));
            w[i] = (float) Math.exp(random.nextGaussian() * (seed % 3));
        }
        for (int i = 0; i < inverses.length; i++) {
            float wide = seed % 5 == 0 ? (float) Math.pow(10, random.nextInt(12)) : 10;
            inverses[i] = i == seed % 13 ? 0 : (float) random.nextGaussian() * wide;
        }
        for (int i = 0; i < COUNT; i++) {
            offsets[i] = random.nextInt(4) == 0 ? 0 : (float) random.nextGaussian();
        }
        return length;
    }

    private static float level(float scaled, int low, int high) {
        return (float) Math.clamp(Math.rint(scaled), low, high);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void evenLevels(int seed) {
        int length = fill(seed);
        int at = length == 16 ? 16 * COUNT : 0;
        int low = seed % 4 == 0 ? -127 : -8;
        int high = seed % 4 == 0 ? 127 : 7;
        int end = at + length * COUNT;
        float[] none = new float[COUNT];
        float[] rest = new float[4 * COUNT];
        float[] scales = new float[COUNT];
        float[] errors = new float[COUNT];
        EvenSums.two(x, w, at, end, inverses, low, high, sums);
        for (int from = 0; from < 2 * COUNT; from += COUNT) {
            EvenSums.rest(x, w, at, end, inverses, from, low, high, rest);
            for (int lane = 0; lane < COUNT; lane++) {
                scales[lane] = inverses[from + lane] == 0 ? 0 : 1 / inverses[from + lane];
            }
            EvenLevels.error(x, w, at, end, scales, none, 0, low, high, errors, 0);
            for (int lane = 0; lane < COUNT; lane++) {
                float inverse = inverses[from + lane];
                float again = scales[lane] == 0 ? 0 : 1 / scales[lane];
                float[] plain = new float[5];
                for (int i = at + lane; i < end; i += COUNT) {
                    float level = level(x[i] * inverse, low, high);
                    plain[0] = Math.fma(level * w[i], x[i], plain[0]);
                    plain[1] = Math.fma(level * w[i], level, plain[1]);
                    float left = Math.fma(level, -scales[lane], x[i]);
                    plain[2] = Math.fma(level * w[i], left, plain[2]);
                    plain[3] = Math.fma(left * w[i], left, plain[3]);
                    float difference = x[i] - scales[lane] * level(again * x[i], low, high);
                    plain[4] = Math.fma(difference * w[i], difference, plain[4]);
                }
                float[] lanes = {
                    sums[2 * from + lane],
                    sums[2 * from + COUNT + lane],
                    rest[lane],
                    rest[2 * COUNT + lane],
                    errors[lane]
                };
                assertThat(lanes).isEqualTo(plain);
                assertThat(rest[COUNT + lane]).isEqualTo(plain[1]);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void unevenLevels(int seed) {
        fill(seed);
        int[] codes = new int[GroupLanes.VALUES];
        NonlinearLevels.nearest(x, 0, GroupLanes.VALUES, inverses, COUNT, codes);
        NonlinearLevels.sums(x, w, 0, GroupLanes.VALUES, codes, sums, 0);
        for (int lane = 0; lane < COUNT; lane++) {
            float products = 0;
            float squares = 0;
            for (int i = lane; i < GroupLanes.VALUES; i += COUNT) {
                int code = NonlinearCodes.nearest(x[i] * inverses[COUNT + lane]);
                assertThat(codes[i]).isEqualTo(code);
                float level = NonlinearCodes.level(code);
                products = Math.fma(level * w[i], x[i], products);
                squares = Math.fma(level * w[i], level, squares);
            }
            assertThat(sums[lane]).isEqualTo(products);
            assertThat(sums[COUNT + lane]).isEqualTo(squares);
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void levelsAboveAMinimum(int seed) {
        int end = fill(seed) * COUNT;
        int high = seed % 3 == 0 ? 3 : 31;
        float[] scales = new float[COUNT];
        float[] errors = new float[COUNT];
        float[] moments = new float[3 * COUNT];
        for (int lane = 0; lane < COUNT; lane++) {
            inverses[lane] = Math.abs(inverses[lane]);
            scales[lane] = inverses[lane] == 0 ? 0 : 1 / inverses[lane];
        }
        OffsetSums.levels(x, w, 0, end, inverses, offsets, high, sums);
        EvenLevels.error(x, w, 0, end, scales, offsets, 0, 0, high, errors, 0);
        OffsetSums.moments(x, w, 0, end, moments);
        for (int lane = 0; lane < COUNT; lane++) {
            float[] plain = new float[7];
            float inverse = scales[lane] == 0 ? 0 : 1 / scales[lane];
            for (int i = lane; i < end; i += COUNT) {
                float level = level(Math.fma(x[i], inverses[lane], offsets[lane] * inverses[lane]), 0, high);
                plain[0] += level * w[i];
                plain[1] = Math.fma(level * w[i], level, plain[1]);
                plain[2] = Math.fma(level * w[i], x[i], plain[2]);
                float value = x[i] + offsets[lane];
                float difference = value - level(value * inverse, 0, high) * scales[lane];
                plain[3] = Math.fma(difference * w[i], difference, plain[3]);
                plain[4] += w[i];
                plain[5] += x[i] * w[i];
                plain[6] = Math.fma(x[i] * w[i], x[i], plain[6]);
            }
            float[] lanes = {
                sums[lane],
                sums[COUNT + lane],
                sums[2 * COUNT + lane],
                errors[lane],
                moments[lane],
                moments[COUNT + lane],
                moments[2 * COUNT + lane]
            };
            assertThat(lanes).isEqualTo(plain);
        }
    }
}
