package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Lanes against the peer's order of operations, on odd sizes and extreme values. */
class LogProbabilitiesTest {
    private static float[] random(int count, double spread, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (random.nextGaussian() * spread);
        }
        return values;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 8, 9, 131, 2048, 32001})
    void lanesGiveThePeersSums(int count) {
        for (double spread : new double[] {0, 0.1, 3, 40}) {
            float[] base = random(count + 3, spread, 1);
            float[] logits = random(count + 3, spread, 2);
            float[] lanes = new float[8];
            float max = Exponential.max(logits, 3, count);
            double sum = LogProbabilities.peersSum(logits, 3, count, max);
            assertThat(LogProbabilities.sumOfExponentials(logits, 3, count, max, lanes))
                    .isCloseTo(sum, within(2e-6 * sum));
            float shift = max + (float) Math.log(sum);
            float baseMax = Exponential.max(base, 3, count);
            float baseShift = baseMax + (float) Math.log(LogProbabilities.peersSum(base, 3, count, baseMax));
            float[] logs = new float[count + 3];
            for (int i = 0; i < logs.length; i++) {
                logs[i] = base[i] - baseShift;
            }
            float[] mass = new float[1];
            double expected =
                    LogProbabilities.peersDivergence(logs, 3, logits, 3, shift, count, Float.NEGATIVE_INFINITY, mass);
            assertThat((double) mass[0]).isCloseTo(1, within(1e-5));
            assertThat(LogProbabilities.divergence(base, 3, baseShift, logits, 3, shift, count, lanes))
                    .isCloseTo(expected, within(2e-6 * (1 + spread)));
        }
    }

    @Test
    void theFirstOfEqualsIsTheTop() {
        for (int count = 1; count < 40; count++) {
            for (int at = 0; at < count; at++) {
                float[] values = new float[count + 2];
                values[0] = 9;
                values[2 + at] = 1;
                values[1 + count] = 1;
                assertThat(LogProbabilities.indexOfMax(values, 2, count, 1)).isEqualTo(at);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 9, 131, 2048})
    void codesKeepWhatSixteenBitsCan(int vocabulary) {
        float[] logits = random(vocabulary, 4, 5);
        logits[0] = -100;
        byte[] row = new byte[(int) LogProbabilities.rowBytes(vocabulary)];
        LogProbabilities.encode(logits, 0, vocabulary, MemorySegment.ofArray(row));
        float[] decoded = new float[vocabulary];
        LogProbabilities.decode(MemorySegment.ofArray(row), vocabulary, new short[vocabulary], decoded, 0);
        float max = Exponential.max(logits, 0, vocabulary);
        double shift = max + Math.log(LogProbabilities.peersSum(logits, 0, vocabulary, max));
        for (int i = 0; i < vocabulary; i++) {
            double expected = Math.max(logits[i], max - 16) - shift;
            assertThat((double) decoded[i]).isCloseTo(expected, within(16 / 65535.0 / 2 + 1e-5));
        }
    }

    /** All logits alike: there is no scale to divide by. */
    @Test
    void equalLogits() {
        byte[] row = new byte[(int) LogProbabilities.rowBytes(5)];
        LogProbabilities.encode(new float[] {3, 3, 3, 3, 3}, 0, 5, MemorySegment.ofArray(row));
        float[] decoded = new float[5];
        LogProbabilities.decode(MemorySegment.ofArray(row), 5, new short[5], decoded, 0);
        assertThat(decoded).containsOnly((float) -Math.log(5));
    }
}
