package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.concurrent.Workers;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class VectorComparisonTest {
    private static float[][] random(int count, int width, long seed) {
        Random random = new Random(seed);
        float[][] vectors = new float[count][width];
        for (float[] vector : vectors) {
            for (int i = 0; i < width; i++) {
                vector[i] = (float) random.nextGaussian();
            }
            Embeddings.normalize(vector, width);
        }
        return vectors;
    }

    private static double product(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    @Test
    void nearestIsWhatAPlainSearchFinds() {
        // A width that is no multiple of the kernel's lanes.
        float[][] vectors = random(60, 37, 1);
        int[] expected = new int[vectors.length];
        for (int i = 0; i < vectors.length; i++) {
            int found = i == 0 ? 1 : 0;
            for (int j = 0; j < vectors.length; j++) {
                if (j != i && product(vectors[i], vectors[j]) > product(vectors[i], vectors[found])) {
                    found = j;
                }
            }
            expected[i] = found;
        }
        for (int threads : new int[] {1, 3}) {
            try (Workers workers = new Workers(threads, "test")) {
                assertThat(VectorComparison.nearest(vectors, workers)).containsExactly(expected);
            }
        }
    }

    @Test
    void oneTextHasNoOtherAndEqualsGoInOrder() {
        try (Workers workers = new Workers(1, "test")) {
            float[][] one = {{1, 0}};
            assertThat(VectorComparison.nearest(one, workers)).containsExactly(-1);
            VectorComparison alone = VectorComparison.of(one, new int[] {-1}, new float[][] {{0, 1}}, workers);
            assertThat(alone.sameNearest()).isEmpty();
            assertThat(alone.minimum()).isZero();
            assertThat(alone.quantities(5)).doesNotContainKey(Quantity.SAME_NEAREST);
            float[][] equal = {{1, 0}, {0, 1}, {1, 0}, {1, 0}};
            assertThat(VectorComparison.nearest(equal, workers)).containsExactly(2, 0, 0, 0);
        }
    }

    @Test
    void measuresWhatHasMoved() {
        float[][] base = {{1, 0}, {0.6f, 0.8f}, {0, 1}};
        // The second has turned towards the first.
        float[][] candidate = {{1, 0}, {0.8f, 0.6f}, {0, 1}};
        try (Workers workers = new Workers(2, "test")) {
            int[] nearest = VectorComparison.nearest(base, workers);
            assertThat(nearest).containsExactly(1, 2, 1);
            VectorComparison found = VectorComparison.of(base, nearest, candidate, workers);
            assertThat(found.cosines()).hasSize(3);
            assertThat(found.cosines()[0]).isEqualTo(1);
            assertThat(found.cosines()[1]).isCloseTo(0.96, within(1e-7));
            assertThat(found.least()).isEqualTo(1);
            assertThat(found.mean()).isCloseTo(2.96 / 3, within(1e-7));
            assertThat(found.sameNearest()).hasValue(2);
            Map<Quantity, Double> measured = found.quantities(7);
            assertThat(measured.keySet()).isEqualTo(Quantity.OF_VECTORS);
            assertThat(measured.get(Quantity.SAME_NEAREST)).isCloseTo(2 / 3.0, within(1e-12));
            assertThat(measured.get(Quantity.SIZE)).isEqualTo(7);
        }
    }

    @Test
    void normalizesEachVectorOfARow() {
        float[] rows = {3, 4, 0, 0, 5, 12};
        Embeddings.normalize(rows, 2);
        assertThat(rows).containsExactly(0.6f, 0.8f, 0, 0, 5 / 13f, 12 / 13f);
        float[] large = {3e38f, 0};
        Embeddings.normalize(large, 2);
        assertThat(large).containsExactly(1, 0);
    }
}
