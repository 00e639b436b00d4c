package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BootstrapTest {
    /** All 3125 ways to draw five of five values, counted out. */
    @Test
    void isWhatEveryDrawTogetherGives() {
        double[] values = {0, 1, 3, 7, 15};
        double[] means = new double[3125];
        for (int draw = 0; draw < 3125; draw++) {
            int rest = draw;
            for (int i = 0; i < 5; i++) {
                means[draw] += values[rest % 5] / 5;
                rest /= 5;
            }
        }
        Arrays.sort(means);
        Interval found = Bootstrap.ofMean(values).orElseThrow();
        assertThat(found.low()).isCloseTo(means[78], within(0.21));
        assertThat(found.high()).isCloseTo(means[3046], within(0.21));
        assertThat(Bootstrap.ofMean(values)).contains(found);
    }

    @Test
    void isTheNormalIntervalForMany() {
        Random random = new Random(1);
        double[] values = random.doubles(400).toArray();
        double mean = Arrays.stream(values).average().orElseThrow();
        double variance =
                Arrays.stream(values).map(x -> (x - mean) * (x - mean)).sum() / 400;
        double reach = 1.96 * Math.sqrt(variance / 400);
        Interval found = Bootstrap.ofMean(values).orElseThrow();
        assertThat(found.low()).isCloseTo(mean - reach, within(0.05 * reach));
        assertThat(found.high()).isCloseTo(mean + reach, within(0.05 * reach));
    }

    @Test
    void fewWindowsSayNothing() {
        assertThat(Bootstrap.ofMean(new double[] {1, 2, 3, 4})).isEmpty();
        assertThat(Bootstrap.ofMean(new double[] {2, 2, 2, 2, 2})).contains(new Interval(2, 2));
    }
}
