package dev.quern.compensation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.concurrent.Workers;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FactorTest {
    private static float[] matrix(int width, double damping) {
        double[][] products =
                Inputs.products(Inputs.correlated(2 * width, width, width), Inputs.correlated(2 * width, width, width));
        float[] out = new float[width * width];
        double mean = 0;
        for (int i = 0; i < width; i++) {
            mean += products[i][i] / width;
        }
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < width; j++) {
                out[i * width + j] = (float) (products[i][j] + (i == j ? damping * mean : 0));
            }
        }
        return out;
    }

    private static Optional<Factor> factor(float[] matrix, int width, int threads) {
        try (Workers workers = new Workers(threads, "test")) {
            return Factor.of(matrix.clone(), width, workers);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 96, 128, 160, 256, 320, 416})
    void givesTheMatrixBack(int width) {
        float[] matrix = matrix(width, 0.01);
        Factor factor = factor(matrix, width, 1).orElseThrow();
        double[][] u = new double[width][width];
        for (int i = 0; i < width; i++) {
            u[i][i] = 1;
            assertThat(factor.diagonal()[i]).isPositive();
            for (int j = i + 1; j < width; j++) {
                u[i][j] = factor.panels().get(i, j);
                assertThat(factor.panels().get(j, i)).isEqualTo((float) u[i][j]);
            }
        }
        for (int i = 0; i < width; i++) {
            for (int j = i; j < width; j++) {
                double sum = 0;
                for (int k = j; k < width; k++) {
                    sum += u[i][k] * factor.diagonal()[k] * u[j][k];
                }
                double size = Math.sqrt((double) matrix[i * width + i] * matrix[j * width + j]);
                assertThat(sum).isCloseTo(matrix[i * width + j], within(3e-5 * size));
            }
        }
        for (int threads = 2; threads <= 3; threads++) {
            Factor other = factor(matrix, width, threads).orElseThrow();
            assertThat(other.diagonal()).containsExactly(factor.diagonal());
            for (int i = 0; i < width; i++) {
                for (int j = 0; j < width; j++) {
                    if (i != j) {
                        assertThat(other.panels().get(i, j))
                                .isEqualTo(factor.panels().get(i, j));
                    }
                }
            }
        }
    }

    @Test
    void refusesWhatIsNotPositive() {
        float[] indefinite = matrix(160, 0.01);
        indefinite[7 * 160 + 7] = -1;
        assertThat(factor(indefinite, 160, 1)).isEmpty();
        // Two columns that are the same.
        float[] singular = matrix(64, 0.01);
        for (int i = 0; i < 64; i++) {
            singular[i * 64 + 5] = singular[i * 64 + 4];
        }
        for (int i = 0; i < 64; i++) {
            singular[5 * 64 + i] = singular[4 * 64 + i];
        }
        assertThat(factor(singular, 64, 2)).isEmpty();
        float[] noNumber = matrix(32, 0.01);
        noNumber[3 * 32 + 9] = Float.NaN;
        noNumber[9 * 32 + 3] = Float.NaN;
        assertThat(factor(noNumber, 32, 1)).isEmpty();
        assertThat(factor(new float[32 * 32], 32, 1)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 96, 256, 320})
    void solvesAsEliminationDoes(int width) {
        float[] matrix = matrix(width, 0.05);
        Factor factor = factor(matrix, width, 2).orElseThrow();
        double[][] plain = new double[width][width];
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < width; j++) {
                plain[i][j] = matrix[i * width + j];
            }
        }
        Random random = new Random(9);
        int[] lanes = {0, 17, 63};
        float[][] sides = new float[lanes.length][width];
        float[] tile = new float[RowTile.ROWS * width];
        for (int n = 0; n < lanes.length; n++) {
            for (int i = 0; i < width; i++) {
                sides[n][i] = (float) random.nextGaussian();
            }
            RowTile.put(sides[n], 0, width, lanes[n], tile);
        }
        new TriangularSolve(factor).solve(tile);
        float[] found = new float[width];
        for (int n = 0; n < lanes.length; n++) {
            double[] side = new double[width];
            for (int i = 0; i < width; i++) {
                side[i] = sides[n][i];
            }
            double[] expected = Inputs.solve(plain, side);
            double size = 0;
            for (double value : expected) {
                size = Math.max(size, Math.abs(value));
            }
            RowTile.get(tile, lanes[n], width, found);
            for (int i = 0; i < width; i++) {
                assertThat((double) found[i]).isCloseTo(expected[i], within(1e-3 * size));
            }
        }
        RowTile.get(tile, 5, width, found);
        assertThat(found).containsOnly(0f);
    }
}
