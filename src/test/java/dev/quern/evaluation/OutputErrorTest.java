package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.concurrent.Workers;
import dev.quern.evaluation.gemm.Packed;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutputErrorTest {
    private static float[][] random(int rows, int width, Random random) {
        float[][] values = new float[rows][width];
        for (float[] row : values) {
            for (int i = 0; i < width; i++) {
                row[i] = (float) random.nextGaussian();
            }
        }
        return values;
    }

    private static Packed packed(float[][] rows) {
        Packed packed = new Packed(rows.length, rows[0].length, new float[Packed.size(rows.length, rows[0].length)]);
        for (int i = 0; i < rows.length; i++) {
            packed.write(i, 0, rows[i].length, rows[i], 0);
        }
        return packed;
    }

    private static double plain(
            float[][] w,
            int first,
            int rows,
            float[][] x,
            float @Nullable [][] m,
            float @Nullable [][] other,
            float[][] y) {
        double sum = 0;
        for (int token = 0; token < x.length; token++) {
            for (int row = 0; row < rows; row++) {
                double expected = m == null ? 0 : m[token][row];
                double found = 0;
                for (int i = 0; i < x[token].length; i++) {
                    expected += (double) w[first + row][i] * x[token][i];
                    found += other == null ? 0 : (double) other[row][i] * y[token][i];
                }
                sum += (expected - found) * (expected - found);
            }
        }
        return sum;
    }

    /** Rows that fill no panel, tokens that fill no tile, an expert's rows out of a tensor of several. */
    @ParameterizedTest
    @CsvSource({"1, 0, 1, 32, 1", "70, 0, 70, 40, 13", "90, 30, 60, 96, 7", "300, 100, 100, 256, 33"})
    void equalsThePlainSum(int all, int first, int rows, int width, int tokens) {
        Random random = new Random(all);
        float[][] weights = random(all, width, random);
        float[][] one = random(rows, width, random);
        float[][] two = random(rows, width, random);
        float[][] x = random(tokens, width, random);
        float[][] y = random(tokens, width, random);
        float[][] lacking = random(tokens, rows, random);
        for (boolean withMissing : new boolean[] {false, true}) {
            float @Nullable [][] m = withMissing ? lacking : null;
            double[] found = of(weights, first, rows, x, m, one, two, y, 1);
            assertThat(found).hasSize(3);
            close(found[0], plain(weights, first, rows, x, m, one, y));
            close(found[1], plain(weights, first, rows, x, m, two, y));
            close(found[2], plain(weights, first, rows, x, m, null, y));
            assertThat(of(weights, first, rows, x, m, one, two, y, 3)).containsExactly(found);
        }
    }

    private static void close(double found, double expected) {
        assertThat(found).isCloseTo(expected, within(1e-5 * expected));
    }

    private static double[] of(
            float[][] weights,
            int first,
            int rows,
            float[][] x,
            float @Nullable [][] missing,
            float[][] one,
            float[][] two,
            float[][] y,
            int threads) {
        try (Workers workers = new Workers(threads, "test")) {
            return OutputError.of(
                    InMemory.matrix(weights),
                    first,
                    rows,
                    packed(x),
                    missing == null ? null : packed(missing),
                    List.of(InMemory.matrix(one), InMemory.matrix(two)),
                    packed(y),
                    workers);
        }
    }
}
