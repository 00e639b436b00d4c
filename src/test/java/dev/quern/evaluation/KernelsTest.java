package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The small functions of the forward pass, each against its formula in double. */
class KernelsTest {
    private final Random random = new Random(20);

    @Test
    void exponentialsAreWithinTwoUnitsInTheLastPlace() {
        float[] x = new float[8];
        float[] y = new float[8];
        for (int round = 0; round < 200_000; round++) {
            for (int i = 0; i < 8; i++) {
                x[i] = (float) (-87 + 175 * random.nextDouble()) / (1 << random.nextInt(12));
            }
            Exponential.of(FloatVector.fromArray(Exponential.LANES, x, 0)).intoArray(y, 0);
            for (int i = 0; i < 8; i++) {
                double exact = Math.exp(x[i]);
                double unit = Math.ulp((float) exact);
                assertThat(Math.abs(y[i] - exact) / unit).as("e^%s", x[i]).isLessThan(2);
            }
        }
    }

    @Test
    void exponentialsSaturateAndKeepNaN() {
        float[] x = {0, -0f, -87.5f, -1000, Float.NEGATIVE_INFINITY, 1000, Float.POSITIVE_INFINITY, Float.NaN};
        float[] y = new float[8];
        Exponential.of(FloatVector.fromArray(Exponential.LANES, x, 0)).intoArray(y, 0);
        assertThat(y[0]).isEqualTo(1);
        assertThat(y[1]).isEqualTo(1);
        for (int i = 2; i < 5; i++) {
            assertThat(y[i]).isBetween(0f, 2e-38f);
        }
        assertThat(y[5]).isGreaterThan(1e38f);
        assertThat(y[6]).isGreaterThan(1e38f);
        assertThat(y[7]).isNaN();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 8, 9, 15, 16, 17, 64, 300, 511})
    void exponentiateSumsWhatItWrites(int count) {
        float[] values = gaussians(count + 5);
        float[] before = values.clone();
        float max = Exponential.max(values, 3, count);
        double sum = Exponential.exponentiate(values, 3, count, max, new float[8]);
        float most = Float.NEGATIVE_INFINITY;
        double expected = 0;
        for (int i = 3; i < 3 + count; i++) {
            most = Math.max(most, before[i]);
        }
        for (int i = 3; i < 3 + count; i++) {
            double e = Math.exp((double) before[i] - most);
            assertThat((double) values[i]).isCloseTo(e, within(4e-7 * e));
            expected += e;
        }
        assertThat(max).isEqualTo(most);
        assertThat(sum).isCloseTo(expected, within(2e-7 * count));
        assertThat(values[2]).isEqualTo(before[2]);
        assertThat(values[3 + count]).isEqualTo(before[3 + count]);
    }

    @Test
    void siluTimes() {
        float[] gate = gaussians(64);
        float[] up = gaussians(64);
        gate[0] = -300;
        gate[1] = 300;
        float[] before = gate.clone();
        Exponential.siluTimes(gate, up, 64);
        for (int i = 0; i < 64; i++) {
            double exact = before[i] / (1 + Math.exp(-(double) before[i])) * up[i];
            assertThat((double) gate[i]).isCloseTo(exact, within(1e-6 * Math.abs(exact) + 1e-35));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "3, 7", "5, 256", "6, 300", "2, 1027"})
    void rootMeanSquareNorm(int rows, int width) {
        Blocked x = new Blocked(rows, width, new float[Blocked.size(rows, width)]);
        Packed y = new Packed(rows, width, new float[Packed.size(rows, width)]);
        float[] weight = gaussians(width);
        for (int row = 0; row < rows; row++) {
            x.write(row, 0, width, gaussians(width), 0);
        }
        RmsNorm.apply(x, weight, 1e-5f, 0, rows, y);
        float[] in = new float[width];
        float[] out = new float[width];
        for (int row = 0; row < rows; row++) {
            x.read(row, 0, width, in, 0);
            read(y, row, 0, width, out);
            double squares = 0;
            for (float value : in) {
                squares += (double) value * value;
            }
            for (int i = 0; i < width; i++) {
                double exact = in[i] / Math.sqrt(squares / width + 1e-5f) * weight[i];
                assertThat((double) out[i]).isCloseTo(exact, within(2e-7 * Math.abs(exact)));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"2, 2", "10, 6", "32, 32", "128, 64"})
    void rotaryEmbeddingTurnsPairs(int head, int rotated) {
        float[] factors = new float[rotated / 2];
        for (int i = 0; i < factors.length; i++) {
            factors[i] = 1 + i % 5;
        }
        RotaryEmbedding rope = new RotaryEmbedding(600, rotated, 10000, 0.25, factors);
        for (int position : new int[] {0, 1, 17, 599}) {
            float[] x = gaussians(head + 3);
            float[] before = x.clone();
            rope.rotate(x, 3, position);
            for (int i = 0; i < rotated; i += 2) {
                double angle = position * 0.25 * Math.pow(10000, -(double) i / rotated) / factors[i / 2];
                double even = before[3 + i];
                double odd = before[4 + i];
                assertThat((double) x[3 + i]).isCloseTo(even * Math.cos(angle) - odd * Math.sin(angle), within(1e-6));
                assertThat((double) x[4 + i]).isCloseTo(even * Math.sin(angle) + odd * Math.cos(angle), within(1e-6));
            }
            for (int i = rotated; i < head; i++) {
                assertThat(x[3 + i]).isEqualTo(before[3 + i]);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 4, 4, 16", "37, 6, 2, 10", "300, 2, 1, 40", "513, 1, 1, 20"})
    void causalAttention(int window, int heads, int keyValueHeads, int head) {
        Hyperparameters sizes = new Hyperparameters(window, 8, 1, 8, heads, keyValueHeads, head, 1e-5f, head, 10000, 1);
        RotaryEmbedding rope = new RotaryEmbedding(window, head, 10000, 1, new float[0]);
        int before = 5;
        Blocked q = filled(before + window, heads * head);
        Blocked k = filled(before + window, keyValueHeads * head);
        Blocked v = filled(before + window, keyValueHeads * head);
        int from = window / 3;
        Packed out = new Packed(window - from, heads * head, new float[Packed.size(window - from, heads * head)]);
        Scratch scratch = new Scratch(sizes, window);
        for (int shared = 0; shared < keyValueHeads; shared++) {
            new Attention(sizes, rope).attend(q, k, v, before, from, window, shared, out, 0, scratch);
        }
        float[] found = new float[head];
        for (int position = from; position < window; position += 1 + window / 40) {
            for (int h = 0; h < heads; h++) {
                double[] exact = attention(q, k, v, before, position, h, h * keyValueHeads / heads, head, rope);
                read(out, position - from, h * head, head, found);
                for (int i = 0; i < head; i++) {
                    assertThat((double) found[i]).isCloseTo(exact[i], within(2e-6));
                }
            }
        }
    }

    private static double[] attention(
            Blocked q, Blocked k, Blocked v, int first, int position, int h, int shared, int d, RotaryEmbedding rope) {
        float[] query = new float[d];
        q.read(first + position, h * d, d, query, 0);
        rope.rotate(query, 0, position);
        double[] out = new double[d];
        double sum = 0;
        float[] row = new float[d];
        for (int s = 0; s <= position; s++) {
            k.read(first + s, shared * d, d, row, 0);
            rope.rotate(row, 0, s);
            double dot = 0;
            for (int i = 0; i < d; i++) {
                dot += (double) query[i] * row[i];
            }
            double weight = Math.exp(dot / Math.sqrt(d));
            sum += weight;
            v.read(first + s, shared * d, d, row, 0);
            for (int i = 0; i < d; i++) {
                out[i] += weight * row[i];
            }
        }
        for (int i = 0; i < d; i++) {
            out[i] /= sum;
        }
        return out;
    }

    private static void read(Packed packed, int row, int column, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            int block = (column + i) / Blocked.BLOCK;
            int inside = (column + i) % Blocked.BLOCK;
            out[i] = packed.values()[packed.at(block, row) + inside * Tile.ROWS];
        }
    }

    private Blocked filled(int rows, int width) {
        return new Blocked(rows, width, gaussians(Blocked.size(rows, width)));
    }

    private float[] gaussians(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
