package dev.quern.batch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.evaluation.Quantity;
import org.junit.jupiter.api.Test;

class GateJudgeTest {
    @Test
    void driftIsRelativeForNumbersAndInPointsForShares() {
        assertThat(new BatchGate.Drift(Quantity.KLD, 0.1).worse(0.033, 0.03)).isCloseTo(0.1, within());
        assertThat(new BatchGate.Drift(Quantity.KLD, 0.1).worse(0.027, 0.03)).isCloseTo(-0.1, within());
        assertThat(new BatchGate.Drift(Quantity.SAME_TOP, 0.1).worse(0.91, 0.93))
                .isCloseTo(0.02, within());
        assertThat(new BatchGate.Drift(Quantity.SIZE, 0).worse(100, 100)).isZero();
    }

    /** A lossless output's divergence is zero, and stays comparable. */
    @Test
    void driftFromZero() {
        assertThat(new BatchGate.Drift(Quantity.KLD, 0.1).worse(0, 0)).isZero();
        assertThat(new BatchGate.Drift(Quantity.KLD, 0.1).worse(1e-9, 0)).isInfinite();
    }

    @Test
    void patternsMatchSourcesOutputsAndBoth() {
        assertThat(Recipe.matches("q4_k_m", "llama", "Q4_K_M")).isTrue();
        assertThat(Recipe.matches("llama-*", "llama-7b", "Q8_0")).isTrue();
        assertThat(Recipe.matches("llama-?b/Q*", "llama-7b", "Q8_0")).isTrue();
        assertThat(Recipe.matches("lama", "llama", "Q8_0")).isFalse();
        assertThat(Recipe.matches("q4.k.m", "llama", "Q4_K_M")).isFalse();
    }

    private static org.assertj.core.data.Offset<Double> within() {
        return org.assertj.core.data.Offset.offset(1e-12);
    }
}
