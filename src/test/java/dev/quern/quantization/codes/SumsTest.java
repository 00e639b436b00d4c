package dev.quern.quantization.codes;

import static dev.quern.quantization.codes.GroupLanes.COUNT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.quantization.scalar.NonlinearCodes;
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
        float[] rest = new float[3 * COUNT];
        float[] scales = new float[COUNT];
        float[] errors = new float[COUNT];
        EvenSums.two(x, w, at, at + length * COUNT, inverses, low, high, sums);
        EvenSums.rest(x, w, at, at + length * COUNT, inverses, 0, low, high, rest);
        for (int lane = 0; lane < COUNT; lane++) {
            scales[lane] = inverses[lane] == 0 ? 0 : 1 / inverses[lane];
        }
        EvenSums.error(x, w, at, at + length * COUNT, scales, 0, low, high, errors, 0);
        for (int lane = 0; lane < 2 * COUNT; lane++) {
            float products = 0;
            float squares = 0;
            float restProducts = 0;
            float restSquares = 0;
            float error = 0;
            for (int i = 0; i < length; i++) {
                float value = x[at + i * COUNT + lane % COUNT];
                float weight = w[at + i * COUNT + lane % COUNT];
                float level = level(value * inverses[lane], low, high);
                products = Math.fma(level * weight, value, products);
                squares = Math.fma(level * weight, level, squares);
                float left = Math.fma(level, inverses[lane] == 0 ? 0 : -1 / inverses[lane], value);
                restProducts = Math.fma(level * weight, left, restProducts);
                restSquares = Math.fma(left * weight, left, restSquares);
                if (lane < COUNT) {
                    float inverse = scales[lane] == 0 ? 0 : 1 / scales[lane];
                    float difference = value - scales[lane] * level(inverse * value, low, high);
                    error = Math.fma(difference * weight, difference, error);
                }
            }
            assertThat(sums[lane / COUNT * 2 * COUNT + lane % COUNT]).isEqualTo(products);
            assertThat(sums[lane / COUNT * 2 * COUNT + COUNT + lane % COUNT]).isEqualTo(squares);
            if (lane < COUNT) {
                assertThat(rest[lane]).isEqualTo(restProducts);
                assertThat(rest[COUNT + lane]).isEqualTo(squares);
                assertThat(rest[2 * COUNT + lane]).isEqualTo(restSquares);
                assertThat(errors[lane]).isEqualTo(error);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void unevenLevels(int seed) {
        fill(seed);
        UnevenSums.one(x, w, 0, GroupLanes.VALUES, inverses, COUNT, sums, COUNT);
        for (int lane = 0; lane < COUNT; lane++) {
            float products = 0;
            float squares = 0;
            for (int i = lane; i < GroupLanes.VALUES; i += COUNT) {
                float level = NonlinearCodes.level(NonlinearCodes.nearest(x[i] * inverses[COUNT + lane]));
                products = Math.fma(level * w[i], x[i], products);
                squares = Math.fma(level * w[i], level, squares);
            }
            assertThat(sums[COUNT + lane]).isEqualTo(products);
            assertThat(sums[2 * COUNT + lane]).isEqualTo(squares);
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
        OffsetSums.error(x, w, 0, end, scales, offsets, 0, high, errors, 0);
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
