package dev.quern.quantization.simd;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which groups the lanes hand to the scalar codec: none with ordinary values, or the speed would be lost unseen. */
class OffsetLanesTest {
    private static final int N = 32;
    private static final int ALL = 0xFF;

    private final OffsetLanes lanes = new OffsetLanes();
    private final Random random = new Random(11);

    @Test
    void ordinaryGroupsAreNotOdd() {
        int odd = 0;
        for (int round = 0; round < 2000; round++) {
            for (int i = 0; i < N * Lanes.COUNT; i++) {
                lanes.x[i] = (float) (random.nextGaussian() * Math.exp(random.nextGaussian()) * 0.02);
                lanes.weights[i] = random.nextFloat();
            }
            odd |= lanes.search(N, 15, -1f, 0.1f, 20, false);
        }

        assertThat(odd).isZero();
    }

    @Test
    void zerosAndConstantsAreNotOdd() {
        for (float constant : new float[] {0f, -0f, 1.5f, -1.5f}) {
            Arrays.fill(lanes.x, constant);
            Arrays.fill(lanes.weights, 1);

            assertThat(lanes.search(N, 15, -0.9f, 0.05f, 36, false))
                    .as("%s", constant)
                    .isZero();
        }
    }

    @Test
    void aRangeThatOverflowsIsOdd() {
        Arrays.fill(lanes.weights, 1);
        Arrays.fill(lanes.x, 1);
        lanes.x[3] = 3e38f;
        lanes.x[Lanes.COUNT + 3] = -3e38f;

        assertThat(lanes.search(N, 15, -1f, 0.1f, 20, false) & ALL).isEqualTo(1 << 3);
    }
}
