package dev.quern.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The allocator against every combination there is. */
class AllocatorTest {
    private static final QuantType[] TYPES = QuantType.values();

    private static Choice choice(String name, Candidate... candidates) {
        return new Choice(name, List.of(candidates));
    }

    private static List<Choice> random(Random random, int tensors, int most) {
        List<Choice> choices = new ArrayList<>();
        for (int i = 0; i < tensors; i++) {
            // Tensors of a few sizes, as models have them; costs that fall with bytes on the whole, with strays.
            int size = 1 + random.nextInt(3);
            List<Candidate> candidates = new ArrayList<>();
            int count = 1 + random.nextInt(most);
            for (int k = 0; k < count; k++) {
                int bits = 2 + random.nextInt(8);
                double cost = random.nextInt(6) == 0 ? 0 : Math.pow(4, -bits) * (0.5 + random.nextDouble()) * size;
                candidates.add(new Candidate(TYPES[k], (long) size * bits * 32, cost));
            }
            choices.add(new Choice("t" + i, candidates));
        }
        return choices;
    }

    /** The least cost within the budget, or NaN. */
    private static double exhaustive(List<Choice> choices, int from, long budget) {
        if (budget < 0) {
            return Double.NaN;
        }
        if (from == choices.size()) {
            return 0;
        }
        double best = Double.NaN;
        for (Candidate candidate : choices.get(from).candidates()) {
            double rest = exhaustive(choices, from + 1, budget - candidate.bytes());
            double cost = candidate.divergence() + rest;
            if (!Double.isNaN(cost) && !(best <= cost)) {
                best = cost;
            }
        }
        return best;
    }

    private static void check(List<Choice> choices, long budget, Allocation found) {
        assertThat(found.chosen()).hasSameSizeAs(choices);
        long bytes = 0;
        double cost = 0;
        for (int i = 0; i < choices.size(); i++) {
            assertThat(choices.get(i).candidates()).contains(found.chosen().get(i));
            bytes += found.chosen().get(i).bytes();
            cost += found.chosen().get(i).divergence();
        }
        assertThat(found.bytes()).isEqualTo(bytes).isLessThanOrEqualTo(budget);
        assertThat(found.divergence()).isCloseTo(cost, within(1e-15));
    }

    @Test
    void theBestOfAllCombinations() {
        Random random = new Random(20);
        int none = 0;
        for (int round = 0; round < 3000; round++) {
            List<Choice> choices = random(random, 1 + random.nextInt(6), 5);
            long budget = random.nextInt(1200);
            double expected = exhaustive(choices, 0, budget);
            Optional<Allocation> found = Allocator.solve(choices, budget);
            assertThat(found.isPresent()).isEqualTo(!Double.isNaN(expected));
            if (found.isPresent()) {
                check(choices, budget, found.get());
                assertThat(found.get().divergence()).isCloseTo(expected, within(1e-14));
                assertThat(found.get().gap()).isZero();
            } else {
                none++;
            }
        }
        assertThat(none).isBetween(300, 2700);
    }

    /** With room for few partial allocations only the result may be worse, and says by how much at most. */
    @Test
    void theBoundHoldsWherePartialAllocationsWereDropped() {
        Random random = new Random(21);
        int inexact = 0;
        for (int round = 0; round < 1500; round++) {
            List<Choice> choices = random(random, 6, 5);
            long budget = 500L + random.nextInt(1500);
            double expected = exhaustive(choices, 0, budget);
            Optional<Allocation> found = Allocator.solve(choices, budget, 1 + random.nextInt(3));
            if (found.isPresent()) {
                check(choices, budget, found.get());
                assertThat(found.get().leastDivergence()).isLessThanOrEqualTo(expected + 1e-14);
                assertThat(found.get().divergence()).isGreaterThanOrEqualTo(expected - 1e-14);
                inexact += found.get().divergence() > expected + 1e-12 ? 1 : 0;
                if (found.get().divergence() > expected + 1e-12) {
                    assertThat(found.get().gap()).isPositive();
                }
            }
        }
        assertThat(inexact).isPositive();
    }

    /** A model of eighty layers with its alike tensors is solved to the end. */
    @Test
    void aLargeModel() {
        Random random = new Random(22);
        List<Choice> choices = new ArrayList<>();
        for (int i = 0; i < 560; i++) {
            long values = i % 7 < 4 ? 8192L * 8192 : 8192L * 28672;
            double sensitivity = Math.exp(2 * random.nextGaussian()) * values * 1e-9;
            List<Candidate> candidates = new ArrayList<>();
            for (QuantType type : List.of(
                    QuantType.Q2_K,
                    QuantType.Q3_K,
                    QuantType.IQ4_XS,
                    QuantType.Q4_K,
                    QuantType.Q5_K,
                    QuantType.Q6_K,
                    QuantType.Q8_0)) {
                double noise = 0.7 + 0.6 * random.nextDouble();
                candidates.add(new Candidate(
                        type, type.bytesFor(values), sensitivity * noise * Math.pow(4, -type.bitsPerWeight())));
            }
            choices.add(new Choice("t" + i, candidates));
        }
        long budget = 40_000_000_000L;
        Allocation found = Allocator.solve(choices, budget).orElseThrow();
        check(choices, budget, found);
        assertThat(found.gap()).isLessThan(1e-6);
        assertThat(budget - found.bytes()).isLessThan(20_000_000);
        assertThat(Allocator.solve(choices, budget)).contains(found);
    }

    @Test
    void everythingFits() {
        List<Choice> choices = List.of(
                choice("a", new Candidate(QuantType.Q8_0, 40, 0.5), new Candidate(QuantType.F16, 80, 0)),
                choice("b", new Candidate(QuantType.Q4_0, 20, 0.25), new Candidate(QuantType.Q5_0, 24, 0.75)));
        Allocation found = Allocator.solve(choices, 100).orElseThrow();
        assertThat(found.chosen()).extracting(Candidate::type).containsExactly(QuantType.F16, QuantType.Q4_0);
        assertThat(found.price()).isZero();
        assertThat(Allocator.solve(choices, 59)).isEmpty();
        assertThat(Allocator.solve(List.of(), 0).orElseThrow().chosen()).isEmpty();
    }

    @Test
    void candidatesThatAnotherOneBeatsAreNone() {
        Choice choice = choice(
                "a",
                new Candidate(QuantType.Q4_K, 18, 0.3),
                new Candidate(QuantType.Q4_0, 18, 0.2),
                new Candidate(QuantType.Q5_0, 22, 0.25),
                new Candidate(QuantType.Q3_K, 14, 0.9));
        assertThat(choice.efficient()).extracting(Candidate::type).containsExactly(QuantType.Q3_K, QuantType.Q4_0);
        assertThat(choice.efficient()).isSortedAccordingTo(Comparator.comparingLong(Candidate::bytes));
    }

    @Test
    void figuresThatAreNone() {
        assertThatThrownBy(() -> new Candidate(QuantType.Q4_K, 1, Double.NaN))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Candidate(QuantType.Q4_K, 1, -1e-9)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Choice("a", List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no candidate for a");
    }

    @Test
    void floors() {
        Floors defaults = Floors.of(List.of());
        assertThat(defaults.allows("output.weight", QuantType.Q3_K)).isFalse();
        assertThat(defaults.allows("output.weight", QuantType.IQ4_NL)).isTrue();
        assertThat(defaults.allows("token_embd.weight", QuantType.Q2_K)).isFalse();
        assertThat(defaults.allows("blk.0.attn_output.weight", QuantType.IQ2_XXS))
                .isTrue();
        assertThat(defaults.allows("blk.0.ffn_up_exps.weight", QuantType.IQ2_XXS))
                .isFalse();
        Floors asked = Floors.of(List.of(
                new Floors.Floor(Pattern.compile("attn"), QuantType.Q4_K),
                new Floors.Floor(Pattern.compile(""), QuantType.Q2_K)));
        assertThat(asked.allows("output.weight", QuantType.Q2_K)).isTrue();
        assertThat(asked.allows("blk.0.attn_output.weight", QuantType.IQ4_XS)).isFalse();
    }
}
