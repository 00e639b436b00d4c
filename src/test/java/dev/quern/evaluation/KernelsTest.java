package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.ForwardPass;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Dot;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.evaluation.gemm.Tile;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
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
        RotaryEmbedding rope = rope(600, ForwardPass.Rope.INTERLEAVED, rotated, 0.25, factors);
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
    @CsvSource({"2, 2", "10, 6", "32, 32", "128, 64"})
    void rotaryEmbeddingTurnsHalves(int head, int rotated) {
        RotaryEmbedding rope = rope(600, ForwardPass.Rope.HALF, rotated, 1);
        for (int position : new int[] {0, 1, 17, 599}) {
            float[] x = gaussians(head + 3);
            float[] before = x.clone();
            rope.rotate(x, 3, position);
            int half = rotated / 2;
            for (int i = 0; i < half; i++) {
                double angle = position * Math.pow(10000, -2.0 * i / rotated);
                double first = before[3 + i];
                double second = before[3 + half + i];
                assertThat((double) x[3 + i])
                        .isCloseTo(first * Math.cos(angle) - second * Math.sin(angle), within(1e-6));
                assertThat((double) x[3 + half + i])
                        .isCloseTo(first * Math.sin(angle) + second * Math.cos(angle), within(1e-6));
            }
            for (int i = rotated; i < head; i++) {
                assertThat(x[3 + i]).isEqualTo(before[3 + i]);
            }
        }
    }

    private static RotaryEmbedding rope(
            int positions, ForwardPass.Rope kind, int rotated, double scale, float... factors) {
        return new RotaryEmbedding(
                positions, new Hyperparameters.Rope(kind, rotated, 10000, scale, 0, 0, 0, true, 0, 1), factors);
    }

    /** Sizes, then cap, largest bias of ALiBi, sliding window, sinks, both directions. */
    @ParameterizedTest
    @CsvSource({
        "1, 4, 4, 16, 16, 0, 0, 0, false, false",
        "37, 6, 2, 10, 10, 0, 0, 0, false, false",
        "300, 2, 1, 40, 40, 0, 0, 0, false, false",
        "513, 1, 1, 20, 20, 0, 0, 0, false, false",
        "70, 4, 2, 24, 9, 0, 0, 0, false, false",
        "70, 4, 2, 9, 24, 3, 0, 0, false, false",
        "70, 6, 6, 16, 16, 0, 8, 0, false, false",
        "130, 4, 1, 16, 16, 0, 0, 33, false, false",
        "130, 4, 2, 16, 16, 2, 0, 5, true, false",
        "45, 3, 3, 16, 16, 0, 0, 0, false, true"
    })
    void attentionIsThatOfTheFormulas(
            int window,
            int heads,
            int keyValueHeads,
            int keyLength,
            int valueLength,
            float cap,
            float alibi,
            int sliding,
            boolean sinks,
            boolean bidirectional) {
        AttentionRule rule = new AttentionRule(
                heads,
                keyValueHeads,
                keyLength,
                valueLength,
                rope(window, ForwardPass.Rope.INTERLEAVED, keyLength & -2, 1),
                0,
                0.3f,
                cap,
                AttentionRule.slopes(heads, alibi),
                sliding,
                sinks ? gaussians(heads) : new float[0],
                bidirectional);
        int before = 5;
        Blocked q = filled(before + window, rule.queryWidth());
        Blocked k = filled(before + window, rule.keyWidth());
        Blocked v = filled(before + window, rule.valueWidth());
        int from = window / 3;
        Packed out = new Packed(
                window - from, rule.attendedWidth(), new float[Packed.size(window - from, rule.attendedWidth())]);
        Scratch scratch = new Scratch(8, 8, rule, window);
        for (int shared = 0; shared < keyValueHeads; shared++) {
            new Attention(rule, window).attend(q, k, v, before, from, window, shared, out, 0, scratch);
        }
        float[] found = new float[valueLength];
        for (int position = from; position < window; position += 1 + window / 40) {
            for (int h = 0; h < heads; h++) {
                double[] exact = attention(rule, q, k, v, before, position, h, window);
                read(out, position - from, h * valueLength, valueLength, found);
                for (int i = 0; i < valueLength; i++) {
                    assertThat((double) found[i]).isCloseTo(exact[i], within(2e-6));
                }
            }
        }
    }

    @Test
    void slopesOfAlibi() {
        assertThat(AttentionRule.slopes(4, 8)).containsExactly(0.25f, 0.0625f, 1 / 64f, 1 / 256f);
        // A number that is no power of two takes every other slope of twice the heads.
        assertThat(AttentionRule.slopes(6, 8)).containsExactly(0.25f, 0.0625f, 1 / 64f, 1 / 256f, 0.5f, 0.125f);
    }

    private static double[] attention(
            AttentionRule rule, Blocked q, Blocked k, Blocked v, int first, int position, int h, int window) {
        int d = rule.keyLength();
        int shared = h / (rule.heads() / rule.keyValueHeads());
        float[] query = new float[d];
        q.read(first + position, h * d, d, query, 0);
        rule.rope().rotate(query, 0, position);
        double[] out = new double[rule.valueLength()];
        double sum = rule.sinks().length == 0 ? 0 : Math.exp(rule.sinks()[h]);
        float[] row = new float[Math.max(d, rule.valueLength())];
        for (int s = 0; s < window; s++) {
            boolean seen =
                    rule.bidirectional() || s <= position && (rule.window() == 0 || position - s < rule.window());
            if (!seen) {
                continue;
            }
            k.read(first + s, shared * d, d, row, 0);
            rule.rope().rotate(row, 0, s);
            double score = 0;
            for (int i = 0; i < d; i++) {
                score += (double) query[i] * row[i];
            }
            score *= rule.scale();
            if (rule.cap() > 0) {
                score = rule.cap() * Math.tanh(score / rule.cap());
            }
            if (rule.slopes().length > 0) {
                score -= rule.slopes()[h] * Math.abs(position - s);
            }
            double weight = Math.exp(score);
            sum += weight;
            v.read(first + s, shared * rule.valueLength(), rule.valueLength(), row, 0);
            for (int i = 0; i < out.length; i++) {
                out[i] += weight * row[i];
            }
        }
        for (int i = 0; i < out.length; i++) {
            out[i] /= sum;
        }
        return out;
    }

    @ParameterizedTest
    @EnumSource(ForwardPass.Activation.class)
    void activationsAreThoseOfTheFormulas(ForwardPass.Activation activation) {
        float[] gate = gaussians(1024);
        float[] up = gaussians(1024);
        for (int i = 0; i < gate.length; i++) {
            gate[i] *= i % 7 == 0 ? 20 : 2;
            up[i] *= i % 5 == 0 ? 10 : 1;
        }
        float[] found = gate.clone();
        Activations.apply(activation, found, up.clone(), gate.length);
        for (int i = 0; i < gate.length; i++) {
            double exact = exact(activation, gate[i], up[i]);
            assertThat((double) found[i])
                    .as("%s of %s and %s", activation, gate[i], up[i])
                    .isCloseTo(exact, within(1e-6 * (1 + Math.abs(exact))));
        }
    }

    private static double exact(ForwardPass.Activation activation, double x, double up) {
        double tanh = 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
        double clamped = Math.min(x, 7);
        return switch (activation) {
            case SILU_GATED -> x / (1 + Math.exp(-x)) * up;
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_GATED -> tanh * up;
            case GELU -> tanh;
            case GELU_ERF -> x * (0.5 + integral(x));
            case RELU -> Math.max(0, x);
            case RELU_SQUARED -> Math.max(0, x) * Math.max(0, x);
            case SILU_CLAMPED_GATED -> clamped / (1 + Math.exp(-1.702 * clamped)) * (1 + Math.clamp(up, -7.0, 7.0));
        };
    }

    /** Of the normal density from 0 to x, by Simpson's rule. */
    private static double integral(double x) {
        double end = Math.clamp(x, -9, 9);
        int steps = 2000;
        double sum = 0;
        for (int i = 0; i <= steps; i++) {
            double at = end * i / steps;
            double weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
            sum += weight * Math.exp(-at * at / 2);
        }
        return sum * end / steps / 3 / Math.sqrt(2 * Math.PI);
    }

    @Test
    void aCapIsATanh() {
        float[] values = gaussians(37);
        for (int i = 0; i < values.length; i++) {
            values[i] *= 60;
        }
        float[] found = values.clone();
        Activations.cap(found, 3, 31, 30, new float[8]);
        for (int i = 0; i < values.length; i++) {
            double exact = i < 3 || i >= 34 ? values[i] : 30 * Math.tanh(values[i] / 30);
            assertThat((double) found[i]).isCloseTo(exact, within(1e-5));
        }
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

    /** Interpreted at first and compiled in the end: lanes are added up in the same order in both. */
    @Test
    void dotProductsAreTheSameBitsBeforeAndAfterTheyAreCompiled() {
        float[][] a = new float[32][];
        float[][] b = new float[32][];
        float[] expected = new float[32];
        for (int i = 0; i < 32; i++) {
            a[i] = gaussians(75);
            b[i] = gaussians(75);
            expected[i] = dot(a[i], b[i], 75);
        }
        for (int round = 0; round < 5_000; round++) {
            for (int i = 0; i < 32; i++) {
                assertThat(Dot.of(a[i], 0, b[i], 0, 75)).as("round %d", round).isEqualTo(expected[i]);
            }
        }
    }

    /** Four sums of eight lanes, then one, whose halves are added until one value is left. */
    private static float dot(float[] a, float[] b, int count) {
        float[] lanes = new float[32];
        int whole = count & -8;
        for (int i = 0; i < whole; i++) {
            int lane = i < (count & -32) ? i % 32 : i % 8;
            lanes[lane] = Math.fma(a[i], b[i], lanes[lane]);
        }
        float[] eight = new float[8];
        for (int i = 0; i < 8; i++) {
            eight[i] = (lanes[i] + lanes[8 + i]) + (lanes[16 + i] + lanes[24 + i]);
        }
        for (int half = 4; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                eight[i] += eight[half + i];
            }
        }
        float sum = eight[0];
        for (int i = whole; i < count; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
