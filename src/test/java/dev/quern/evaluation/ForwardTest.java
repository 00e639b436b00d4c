package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.gguf.GgufValue;
import dev.quern.tensor.Shape;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ForwardTest {
    static final ForwardPass LLAMA =
            ForwardPass.of(ForwardPass.Norm.RMS, ForwardPass.Rope.INTERLEAVED, ForwardPass.Activation.SILU_GATED);

    @TempDir
    Path directory;

    static Stream<Arguments> models() {
        return Stream.of(
                Arguments.of("tied output", RandomModel.small(1)),
                Arguments.of("own output", RandomModel.small(2).matrix("output.weight", 131, 40)),
                Arguments.of("part of the head rotated", with(3, "rope.dimension_count", GgufValue.u32(6))),
                Arguments.of("another base", with(4, "rope.freq_base", GgufValue.f32(500000))),
                Arguments.of("linear scaling", with(5, "rope.scaling.factor", GgufValue.f32(4))),
                Arguments.of(
                        "frequency factors",
                        RandomModel.small(6).tensor("rope_freqs.weight", Shape.of(5), 1, 1, 2.5f, 8, 8)),
                Arguments.of("one head", RandomModel.sized(7, 32, 1, 1, 1, 32, 16, 20)),
                Arguments.of("heads of 2", RandomModel.sized(8, 24, 3, 8, 8, 2, 100, 65)),
                Arguments.of("wider than a block of columns", RandomModel.sized(9, 300, 1, 6, 2, 50, 530, 300)));
    }

    private static RandomModel with(long seed, String key, GgufValue value) {
        RandomModel model = RandomModel.small(seed);
        model.metadata.put("llama." + key, value);
        return model;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("models")
    void logitsAreThoseOfTheFormulas(String name, RandomModel random) {
        int window = 53;
        try (Model model = random.open(directory);
                Forward forward = Forward.of(model, LLAMA, window, 2)) {
            int[] tokens = tokens(forward, window, 10);
            float[] found = forward.logits(tokens, 0, window);
            double[][] expected = new NaiveDecoder(model).logits(tokens);
            double range = range(expected);
            for (int position = 0; position < window; position++) {
                for (int token = 0; token < forward.vocabulary(); token++) {
                    assertThat((double) found[position * forward.vocabulary() + token])
                            .as("position %d, token %d", position, token)
                            .isCloseTo(expected[position][token], within(2e-6 * range));
                }
            }
        }
    }

    @Test
    void onlyTheWantedPositionsAreComputedAndTheyAreTheSame() {
        try (Model model = RandomModel.small(11).open(directory);
                Forward forward = Forward.of(model, LLAMA, 70, 2)) {
            int[] tokens = tokens(forward, 70, 12);
            float[] all = forward.logits(tokens, 0, 70);
            float[] some = forward.logits(tokens, 33, 69);
            assertThat(some).isEqualTo(Arrays.copyOfRange(all, 33 * 131, 69 * 131));
        }
    }

    @Test
    void improbabilitiesAreThoseOfTheLogits() {
        try (Model model = RandomModel.sized(13, 40, 2, 4, 2, 10, 64, 517).open(directory);
                Forward forward = Forward.of(model, LLAMA, 30, 2)) {
            int[] tokens = tokens(forward, 30, 14);
            float[] logits = forward.logits(tokens, 5, 29);
            int[] targets = new int[24];
            Random random = new Random(15);
            for (int i = 0; i < targets.length; i++) {
                targets[i] = random.nextInt(forward.vocabulary());
            }
            double[] found = forward.improbabilities(tokens, 5, 29, targets);
            for (int i = 0; i < targets.length; i++) {
                double sum = 0;
                for (int token = 0; token < 517; token++) {
                    sum += Math.exp(logits[i * 517 + token]);
                }
                assertThat(found[i]).isCloseTo(Math.log(sum) - logits[i * 517 + targets[i]], within(1e-6));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 7})
    void theNumberOfThreadsAndOfWindowsInFlightChangesNoBit(int threads) {
        try (Model model = RandomModel.small(16).open(directory);
                Forward one = Forward.of(model, LLAMA, 45, 1, 0);
                Forward many = Forward.of(model, LLAMA, 45, threads)) {
            assertThat(one.windowsInFlight()).isEqualTo(1);
            int windows = 5;
            assertThat(many.windowsInFlight()).isGreaterThanOrEqualTo(windows);
            int[] tokens = tokens(many, windows * 45, 17);
            int[] targets = tokens(many, windows * 22, 18);
            double[] together = many.improbabilities(tokens, 22, 44, targets);
            for (int i = 0; i < windows; i++) {
                double[] alone = one.improbabilities(
                        Arrays.copyOfRange(tokens, i * 45, (i + 1) * 45),
                        22,
                        44,
                        Arrays.copyOfRange(targets, i * 22, (i + 1) * 22));
                assertThat(alone).isEqualTo(Arrays.copyOfRange(together, i * 22, (i + 1) * 22));
            }
        }
    }

    @Test
    void aCallThatCannotBeIsTheCallersMistake() {
        try (Model model = RandomModel.small(19).open(directory);
                Forward forward = Forward.of(model, LLAMA, 8, 1)) {
            assertThatThrownBy(() -> forward.logits(new int[7], 0, 7)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> forward.logits(new int[8], 3, 3)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> forward.logits(new int[8], 0, 9)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void aTokenOutsideTheVocabularyIsTheCallersMistake() {
        try (Model model = RandomModel.small(19).open(directory);
                Forward forward = Forward.of(model, LLAMA, 8, 2)) {
            assertThatThrownBy(() -> forward.logits(new int[] {0, 1, 131, 2, 3, 4, 5, 6}, 0, 8))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("token 131 of a vocabulary of 131");
        }
    }

    static int[] tokens(Forward forward, int count, long seed) {
        return new Random(seed).ints(count, 0, forward.vocabulary()).toArray();
    }

    private static double range(double[][] logits) {
        double least =
                Arrays.stream(logits).flatMapToDouble(Arrays::stream).min().orElseThrow();
        double most =
                Arrays.stream(logits).flatMapToDouble(Arrays::stream).max().orElseThrow();
        return most - least;
    }
}
