package dev.quern.compensation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.concurrent.Workers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProductSumsTest {
    private static float[] summed(boolean moments, float[][] left, float[][] right, int[] portions, int threads) {
        int height = left[0].length;
        int width = right[0].length;
        ProductSums sums = moments ? ProductSums.moments(width) : ProductSums.products(height, width);
        try (Workers workers = new Workers(threads, "test")) {
            int from = 0;
            for (int portion : portions) {
                sums.add(Inputs.packed(left), from, Inputs.packed(right), from, portion, workers);
                from += portion;
            }
            assertThat(sums.tokens()).isEqualTo(from);
        }
        assertThat(sums.width()).isEqualTo(width);
        assertThat(sums.height()).isEqualTo(moments ? width : height);
        return sums.take();
    }

    /** Counts that are no whole tiles, more than what is summed at a time, and several calls, the later ones larger. */
    @ParameterizedTest
    @CsvSource({"32, 32, 1, 0", "64, 96, 7, 33", "100, 32, 255, 258", "32, 320, 3, 600", "192, 192, 301, 1"})
    void equalsThePlainSums(int height, int width, int first, int second) {
        float[][] left = Inputs.correlated(first + second, height, 1);
        float[][] right = Inputs.correlated(first + second, width, 2);
        int[] portions = second == 0 ? new int[] {first} : new int[] {first, second};
        double[][] expected = Inputs.products(left, right);
        float[] found = summed(false, left, right, portions, 1);
        double[][] squares = Inputs.products(right, right);
        float[] moments = summed(true, right, right, portions, 1);
        double[][] own = Inputs.products(left, left);
        for (int i = 0; i < height; i++) {
            for (int j = 0; j < width; j++) {
                double size = Math.sqrt(own[i][i] * squares[j][j]);
                assertThat((double) found[i * width + j]).isCloseTo(expected[i][j], within(2e-6 * size));
            }
        }
        for (int i = 0; i < width; i++) {
            for (int j = 0; j < width; j++) {
                double size = Math.sqrt(squares[i][i] * squares[j][j]);
                assertThat((double) moments[i * width + j]).isCloseTo(squares[i][j], within(2e-6 * size));
                assertThat(moments[i * width + j]).isEqualTo(moments[j * width + i]);
            }
        }
        for (int threads = 2; threads <= 3; threads++) {
            assertThat(summed(false, left, right, portions, threads)).containsExactly(found);
            assertThat(summed(true, right, right, portions, threads)).containsExactly(moments);
        }
    }

    @Test
    void fewTokensAreDrawnTowardsAll() {
        float[][] all = Inputs.correlated(200, 32, 3);
        float[][] few = java.util.Arrays.copyOf(all, 16);
        try (Workers workers = new Workers(1, "test")) {
            ProductSums whole = ProductSums.moments(32);
            whole.add(Inputs.packed(all), 0, Inputs.packed(all), 0, 200, workers);
            ProductSums part = ProductSums.moments(32);
            part.add(Inputs.packed(few), 0, Inputs.packed(few), 0, 16, workers);
            ProductSums none = ProductSums.moments(32);
            double[][] mean = Inputs.products(all, all);
            double[][] own = Inputs.products(few, few);
            float[] drawn = part.towards(whole).take();
            float[] nothing = none.towards(whole).take();
            for (int i = 0; i < 32; i++) {
                for (int j = 0; j < 32; j++) {
                    double size = Math.sqrt(mean[i][i] * mean[j][j]) / 200;
                    double expected = 2.0 / 3 * mean[i][j] / 200 + 1.0 / 3 * own[i][j] / 16;
                    assertThat((double) drawn[i * 32 + j]).isCloseTo(expected, within(1e-5 * size));
                    assertThat((double) nothing[i * 32 + j]).isCloseTo(mean[i][j] / 200, within(1e-5 * size));
                }
            }
            assertThat(part.tokens()).isEqualTo(16);
        }
    }

    @Test
    void widthsThatKernelsDoNotTake() {
        assertThatThrownBy(() -> ProductSums.moments(48))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("inputs of 48 and 48 columns");
        assertThatThrownBy(() -> ProductSums.products(3, 32)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ProductSums.moments(ProductSums.WIDEST + 32))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
