package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.evaluation.CachedForward.Run;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ActivationSums;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Selective state spaces (Mamba): windows, cells and importance against the formulas in double. */
class StateSpaceTest {
    @TempDir
    Path directory;

    static Stream<RandomModel> models() {
        return Stream.of(
                RandomModel.stateSpace(1, 24, 2, 4, 48, 16, 3, false),
                RandomModel.stateSpace(2, 24, 2, 4, 48, 16, 3, true),
                // More channels than a block of them has, and none of the sizes in whole lanes.
                RandomModel.stateSpace(3, 35, 2, 3, 523, 5, 7, false),
                RandomModel.stateSpace(4, 16, 3, 1, 257, 1, 1, true),
                RandomModel.stateSpace(5, 16, 1, 9, 32, 3, 2, false));
    }

    private static ForwardPass pass(Model model) {
        return Bundled.pass(model);
    }

    @ParameterizedTest
    @MethodSource("models")
    void windowsAreTheFormulas(RandomModel random) {
        try (Model model = random.open(directory);
                Forward forward = Forward.of(model, pass(model), 21, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 21, 5);
            double[][] expected = new NaiveStateSpace(model).logits(tokens);
            near(forward.logits(tokens, 0, 21), expected, 0, 21);
            near(forward.logits(tokens, 9, 17), expected, 9, 17);
        }
    }

    private static void near(float[] found, double[][] expected, int from, int to) {
        int width = expected[0].length;
        assertThat(found).hasSize((to - from) * width);
        double most = Arrays.stream(expected)
                .flatMapToDouble(Arrays::stream)
                .map(Math::abs)
                .max()
                .orElseThrow();
        for (int t = from; t < to; t++) {
            for (int i = 0; i < width; i++) {
                assertThat((double) found[(t - from) * width + i]).isCloseTo(expected[t][i], within(2e-5 * most));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void tokenByTokenIsTheWindow(RandomModel random) {
        try (Model model = random.open(directory);
                CachedForward cached = CachedForward.of(model, pass(model), 40, 2)) {
            int[] tokens = new Random(6).ints(40, 0, 131).toArray();
            double[][] expected = new NaiveStateSpace(model).logits(tokens);
            int at = 0;
            for (int step : new int[] {7, 1, 1, 3, 1, 2, 18, 7}) {
                float[] found = cached.next(Arrays.copyOfRange(tokens, at, at + step));
                at += step;
                near(found, expected, at - 1, at);
            }
            // From the beginning again.
            cached.truncate(0);
            near(cached.next(Arrays.copyOf(tokens, 5)), expected, 4, 5);
        }
    }

    @Test
    void continuationsOfOneBeginningDoNotSeeEachOther() {
        try (Model model =
                        RandomModel.stateSpace(7, 24, 2, 4, 300, 16, 3, false).open(directory);
                Forward forward = Forward.of(model, pass(model), 20, 1);
                CachedForward cached = CachedForward.of(model, pass(model), 30, 2)) {
            int[] first = ForwardTest.tokens(forward, 20, 6);
            int[] second = ForwardTest.tokens(forward, 20, 7);
            System.arraycopy(first, 0, second, 0, 8);
            int[] targets = new Random(9).ints(20, 0, 131).toArray();
            double[] one = forward.improbabilities(first, 0, 20, targets);
            double[] two = forward.improbabilities(second, 0, 20, targets);
            List<Run> runs = List.of(
                    new Run(ForwardTest.tokens(forward, 5, 8), 0, 0),
                    new Run(Arrays.copyOf(first, 8), 5, 5),
                    new Run(Arrays.copyOfRange(first, 8, 20), 5, 13));
            double[] found = cached.improbabilities(runs, IntStream.range(5, 25).toArray(), targets);
            assertThat(found).containsExactly(one, within(1e-5));
            // The beginning is there for a later call, whatever came in between.
            found = cached.improbabilities(
                    List.of(new Run(Arrays.copyOfRange(second, 8, 20), 5, 13)),
                    IntStream.range(0, 12).toArray(),
                    Arrays.copyOfRange(targets, 8, 20));
            assertThat(found).containsExactly(Arrays.copyOfRange(two, 8, 20), within(1e-5));
            // The end of the first continuation is not: nothing follows it in the tasks that are scored.
            assertThatThrownBy(() -> cached.improbabilities(
                            List.of(new Run(new int[] {1}, 5, 25)), new int[] {0}, new int[] {0}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("no state was kept after cells 5 to 25");
        }
    }

    /** What llama-imatrix would gather: the inputs of all four matrices of each block. */
    @ParameterizedTest
    @MethodSource("models")
    void everyProductsInputsAreCounted(RandomModel random) {
        int length = 11;
        try (Model model = random.open(directory);
                Forward forward = Forward.of(model, pass(model), length, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 3 * length, 12);
            ActivationSums sums = new ActivationSums(length);
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), length, 9);
            Calibration.collect(forward, windows, new Calibration.Options(false, true), sums, p -> {});
            NaiveStateSpace naive = new NaiveStateSpace(model);
            for (int window = 0; window < 3; window++) {
                naive.logits(Arrays.copyOfRange(tokens, window * length, (window + 1) * length));
            }
            assertThat(sums.entries().keySet()).containsExactlyInAnyOrderElementsOf(naive.squares.keySet());
            naive.squares.forEach((name, expected) -> {
                ActivationSums.Entry found =
                        Objects.requireNonNull(sums.entries().get(name));
                assertThat(found.counts()).as(name).containsExactly(3L * length);
                for (int column = 0; column < expected.length; column++) {
                    assertThat(found.sums()[0][column])
                            .as("%s, column %d", name, column)
                            .isCloseTo(expected[column], within(1e-4 * expected[column] + 1e-9));
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"16, 1", "30, 3"})
    void neitherThreadsNorWindowsInFlightChangeABit(int length, int threads) {
        try (Model model = RandomModel.stateSpace(8, 40, 2, 4, 600, 4, 3, false).open(directory);
                Forward one = Forward.of(model, pass(model), length, 1, 0);
                Forward many = Forward.of(model, pass(model), length, threads)) {
            assertThat(one.windowsInFlight()).isEqualTo(1);
            assertThat(many.windowsInFlight()).isGreaterThanOrEqualTo(4);
            int[] tokens = ForwardTest.tokens(many, 4 * length, 13);
            int[] targets = ForwardTest.tokens(many, 4 * (length - 3), 14);
            double[] together = many.improbabilities(tokens, 2, length - 1, targets);
            for (int window = 0; window < 4; window++) {
                assertThat(one.improbabilities(
                                Arrays.copyOfRange(tokens, window * length, (window + 1) * length),
                                2,
                                length - 1,
                                Arrays.copyOfRange(targets, window * (length - 3), (window + 1) * (length - 3))))
                        .containsExactly(
                                Arrays.copyOfRange(together, window * (length - 3), (window + 1) * (length - 3)));
            }
        }
    }

    static Stream<Arguments> wrong() {
        return Stream.of(
                Arguments.of(
                        "ssm.conv_kernel",
                        GgufValue.u32(0),
                        "key \"mamba.ssm.conv_kernel\": expected 1 to 16777216, found 0"),
                Arguments.of(
                        "ssm.inner_size",
                        GgufValue.u32(47),
                        "tensor \"blk.0.ssm_in.weight\": expected [94, 24], found [96, 24]"),
                Arguments.of(
                        "ssm.state_size",
                        GgufValue.u32(8),
                        "tensor \"blk.0.ssm_x.weight\": expected [19, 48], found [35, 48]"),
                Arguments.of(
                        "ssm.time_step_rank",
                        GgufValue.text("3"),
                        "key \"mamba.ssm.time_step_rank\": expected an integer, found a value of type STRING"),
                Arguments.of(
                        "ssm.group_count",
                        GgufValue.u32(8),
                        "key \"mamba.ssm.group_count\": the evaluator does not know what it means in this"
                                + " architecture"));
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void filesThatSayWhatCannotBeAreRefused(String key, GgufValue value, String message) {
        RandomModel random = RandomModel.stateSpace(1, 24, 2, 4, 48, 16, 3, false);
        random.metadata.put("mamba." + key, value);
        try (Model model = random.open(directory)) {
            assertThatThrownBy(() -> Forward.of(model, pass(model), 8, 1))
                    .isInstanceOf(InputException.class)
                    .hasMessage("model.gguf: " + message);
        }
    }
}
