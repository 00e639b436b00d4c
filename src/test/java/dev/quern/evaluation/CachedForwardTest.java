package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.Model;
import dev.quern.evaluation.CachedForward.Run;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Cells and shared beginnings against the batch forward pass over whole sequences. */
class CachedForwardTest {
    @TempDir
    Path directory;

    static Stream<RandomModel> models() {
        return Stream.of(
                RandomModel.small(1),
                RandomModel.small(2).matrix("output.weight", 131, 40),
                RandomModel.sized(9, 300, 1, 6, 2, 50, 530, 300),
                RandomModel.sized(8, 24, 3, 8, 8, 2, 100, 65));
    }

    private static void near(float[] found, float[] all, int row) {
        float[] expected = Arrays.copyOfRange(all, row * found.length, (row + 1) * found.length);
        for (int i = 0; i < found.length; i++) {
            assertThat(found[i]).isCloseTo(expected[i], within(2e-5f));
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void cachedLogitsAreTheBatchForwards(RandomModel random) {
        try (Model model = random.open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 40, 1);
                CachedForward cached = CachedForward.of(model, ForwardTest.LLAMA, 40, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 40, 5);
            float[] all = forward.logits(tokens, 0, 40);
            int at = 0;
            for (int step : new int[] {7, 1, 1, 3, 1, 20, 7}) {
                near(cached.next(Arrays.copyOfRange(tokens, at, at + step)), all, at + step - 1);
                at += step;
            }
            assertThat(cached.cells()).isEqualTo(40);
            // What was forgotten leaves no trace.
            cached.truncate(11);
            near(cached.next(Arrays.copyOfRange(tokens, 11, 15)), all, 14);
        }
    }

    @Test
    void continuationsOfOneBeginningDoNotSeeEachOther() {
        try (Model model = RandomModel.small(3).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 20, 1);
                CachedForward cached = CachedForward.of(model, ForwardTest.LLAMA, 20, 2)) {
            int[] first = ForwardTest.tokens(forward, 20, 6);
            int[] second = ForwardTest.tokens(forward, 20, 7);
            System.arraycopy(first, 0, second, 0, 8);
            int[] stranger = ForwardTest.tokens(forward, 5, 8);
            List<Run> runs = List.of(
                    new Run(stranger, 0, 0),
                    new Run(Arrays.copyOf(first, 8), 5, 5),
                    new Run(Arrays.copyOfRange(first, 8, 20), 5, 13),
                    new Run(Arrays.copyOfRange(second, 8, 20), 5, 13));
            int[] rows = IntStream.range(5, 37).toArray();
            int[] targets = new Random(9).ints(rows.length, 0, 131).toArray();
            double[] found = cached.improbabilities(runs, rows, targets);
            double[] one = forward.improbabilities(first, 0, 20, Arrays.copyOf(targets, 20));
            int[] others = Arrays.copyOf(targets, 20);
            System.arraycopy(targets, 20, others, 8, 12);
            double[] two = forward.improbabilities(second, 0, 20, others);
            for (int i = 0; i < 20; i++) {
                assertThat(found[i]).isCloseTo(one[i], within(2e-5));
            }
            for (int i = 8; i < 20; i++) {
                assertThat(found[12 + i]).isCloseTo(two[i], within(2e-5));
            }
        }
    }

    @Test
    void aCallThatCannotBeIsTheCallersMistake() {
        try (Model model = RandomModel.small(3).open(directory);
                CachedForward cached = CachedForward.of(model, ForwardTest.LLAMA, 4, 1)) {
            assertThatThrownBy(() -> cached.next(new int[] {131})).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> cached.truncate(1)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() ->
                            cached.improbabilities(List.of(new Run(new int[] {1}, 0, 2)), new int[] {0}, new int[] {0}))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> cached.next(new int[5])).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
