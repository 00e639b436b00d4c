package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.Model;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What replacing one tensor changes, against a comparison of the two whole models. */
class InfluenceTest {
    private static final int WINDOW = 23;

    @TempDir
    Path directory;

    private static Windows windows(Forward forward) {
        return Windows.halves("text", ForwardTest.tokens(forward, 7 * WINDOW + 5, 3), OptionalInt.of(2), WINDOW, 100)
                .spread(5, 4);
    }

    /** With an output matrix of its own. */
    private Model untied(long seed) {
        return RandomModel.small(seed).matrix("output.weight", 131, 40).open(directory);
    }

    private static Model with(Model model, TensorSource replacement) {
        TensorGraph graph = new TensorGraph();
        model.tensors()
                .sources()
                .forEach(tensor ->
                        graph.add(tensor.info().name().equals(replacement.info().name()) ? replacement : tensor));
        return new Model(model.origin(), model.metadata(), graph, model.files());
    }

    private static List<String> matrices(Model model) {
        return model.tensors().sources().stream()
                .filter(tensor -> tensor.info().shape().rank() > 1)
                .map(tensor -> tensor.info().name())
                .toList();
    }

    /** Of a whole model's predictions from another's. */
    private static double divergence(Windows windows, Forward base, Forward candidate) {
        return Comparison.of(windows, base, List.of(candidate))
                .run(done -> {})
                .divergences()
                .getFirst()
                .estimates()
                .divergence()
                .value();
    }

    @Test
    void isTheDivergenceOfTheWholeModel() {
        try (Model model = untied(1);
                Model other = untied(2);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2)) {
            Windows windows = windows(base);
            assertThat(windows.count()).isEqualTo(5);
            assertThat(windows.scored()).isEqualTo(WINDOW - 5);
            List<String> names = matrices(model);
            assertThat(names).contains("token_embd.weight", "output.weight", "blk.0.attn_k.weight");
            Map<String, Double> found = new HashMap<>();
            // Little memory: several batches.
            try (Influence influence = Influence.of(model, ForwardTest.LLAMA, windows, 2, 1)) {
                // Files have the output first: the order need not be that of the blocks.
                for (String name : names) {
                    found.put(name, influence.of(other.tensors().get(name).orElseThrow()));
                }
                for (String name : names) {
                    assertThat(influence.of(model.tensors().get(name).orElseThrow()))
                            .as(name)
                            .isLessThan(1e-7);
                }
                assertThat(influence.positions()).isEqualTo(5L * (WINDOW - 5));
            }
            for (String name : names) {
                try (Forward candidate = Forward.of(
                        with(model, other.tensors().get(name).orElseThrow()), ForwardTest.LLAMA, WINDOW, 2)) {
                    double whole = divergence(windows, base, candidate);
                    assertThat(whole).as(name).isGreaterThan(1e-5);
                    assertThat(found.get(name)).as(name).isCloseTo(whole, within(2e-6 * (1 + whole)));
                }
            }
        }
    }

    /** Where the embedding serves as output matrix too, both change. */
    @Test
    void aTiedEmbedding() {
        try (Model model = RandomModel.small(1).open(directory);
                Model other = RandomModel.small(2).open(directory);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2)) {
            Windows windows = windows(base);
            TensorSource embedding = other.tensors().get("token_embd.weight").orElseThrow();
            try (Influence influence = Influence.of(model, ForwardTest.LLAMA, windows, 2, Forward.DEFAULT_MEMORY);
                    Forward candidate = Forward.of(with(model, embedding), ForwardTest.LLAMA, WINDOW, 2)) {
                double whole = divergence(windows, base, candidate);
                assertThat(influence.of(embedding)).isCloseTo(whole, within(2e-6 * (1 + whole)));
            }
        }
    }

    @Test
    void theSameBitsForAnyThreadsAndMemory() {
        try (Model model = untied(1);
                Model other = untied(2);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2)) {
            Windows windows = windows(base);
            List<List<Double>> runs = new ArrayList<>();
            for (int threads : new int[] {1, 2, 3}) {
                for (long memory : new long[] {1, Forward.DEFAULT_MEMORY}) {
                    try (Influence influence = Influence.of(model, ForwardTest.LLAMA, windows, threads, memory)) {
                        runs.add(matrices(model).stream()
                                .map(name ->
                                        influence.of(other.tensors().get(name).orElseThrow()))
                                .toList());
                    }
                }
            }
            assertThat(runs.stream().distinct()).hasSize(1);
        }
    }
}
