package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.Model;
import dev.quern.io.OutputFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Candidates beside a base model, against the formulas in double. */
class ComparisonTest {
    private static final int WINDOW = 23;
    private static final int COUNT = 7;

    @TempDir
    Path directory;

    private static Windows windows(Forward forward) {
        return Windows.halves(
                "text", ForwardTest.tokens(forward, COUNT * WINDOW + 5, 3), OptionalInt.of(2), WINDOW, 100);
    }

    private static double[] logProbabilities(float[] logits, int at, int vocabulary) {
        double sum = 0;
        for (int i = 0; i < vocabulary; i++) {
            sum += Math.exp(logits[at + i]);
        }
        double[] out = new double[vocabulary];
        for (int i = 0; i < vocabulary; i++) {
            out[i] = logits[at + i] - Math.log(sum);
        }
        return out;
    }

    @Test
    void figuresAreThoseOfTheFormulas() {
        try (Model model = RandomModel.small(1).open(directory);
                Model other = RandomModel.small(2).open(directory);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2);
                Forward candidate = Forward.of(other, ForwardTest.LLAMA, WINDOW, 2)) {
            Windows windows = windows(base);
            List<Comparison.Progress> told = new ArrayList<>();
            Divergence found = Comparison.of(windows, base, List.of(candidate))
                    .run(told::add)
                    .divergences()
                    .getFirst();
            int vocabulary = base.vocabulary();
            double divergence = 0;
            double squares = 0;
            double improbability = 0;
            double baseImprobability = 0;
            double change = 0;
            double changeSquares = 0;
            int same = 0;
            double largest = 0;
            int n = 0;
            double[] differences = new double[COUNT * windows.scored()];
            for (int window = 0; window < COUNT; window++) {
                float[] p = base.logits(windows.input(window, 1), windows.first(), WINDOW - 1);
                float[] q = candidate.logits(windows.input(window, 1), windows.first(), WINDOW - 1);
                int[] targets = windows.targets(window, 1);
                for (int i = 0; i < targets.length; i++, n++) {
                    double[] lp = logProbabilities(p, i * vocabulary, vocabulary);
                    double[] lq = logProbabilities(q, i * vocabulary, vocabulary);
                    double kld = 0;
                    int top = 0;
                    int baseTop = 0;
                    for (int token = 0; token < vocabulary; token++) {
                        kld += Math.exp(lp[token]) * (lp[token] - lq[token]);
                        top = lq[token] > lq[top] ? token : top;
                        baseTop = lp[token] > lp[baseTop] ? token : baseTop;
                    }
                    divergence += kld;
                    squares += kld * kld;
                    largest = Math.max(largest, kld);
                    improbability -= lq[targets[i]];
                    baseImprobability -= lp[targets[i]];
                    differences[n] = lp[targets[i]] - lq[targets[i]];
                    double dp = Math.exp(lq[targets[i]]) - Math.exp(lp[targets[i]]);
                    change += dp;
                    changeSquares += dp * dp;
                    same += top == baseTop ? 1 : 0;
                }
            }
            assertThat(n).isEqualTo(COUNT * 11);
            DivergenceEstimates e = found.estimates();
            assertThat(e.scored()).isEqualTo(n);
            assertThat(e.perplexity().value()).isCloseTo(Math.exp(improbability / n), within(1e-4));
            assertThat(e.basePerplexity().value()).isCloseTo(Math.exp(baseImprobability / n), within(1e-4));
            assertThat(e.divergence().value()).isCloseTo(divergence / n, within(1e-6));
            double variance = squares / n - Math.pow(divergence / n, 2);
            assertThat(e.divergence().error()).isCloseTo(Math.sqrt(variance / (n - 1)), within(1e-5));
            assertThat(found.divergences().max()).isCloseTo((float) largest, within(1e-5f));
            assertThat(e.probabilityChange().value()).isCloseTo(change / n, within(1e-6));
            assertThat(e.rootMeanSquareChange().value()).isCloseTo(Math.sqrt(changeSquares / n), within(1e-6));
            assertThat(e.sameTop().value()).isEqualTo((double) same / n);
            // The error of the ratio is that of the differences' mean: what the covariance is there for.
            double mean = (improbability - baseImprobability) / n;
            double spread = 0;
            for (double difference : differences) {
                spread += Math.pow(difference - mean, 2);
            }
            assertThat(e.logRatio().value()).isCloseTo(mean, within(1e-6));
            assertThat(e.logRatio().error()).isCloseTo(Math.sqrt(spread / n / (n - 1)), within(1e-6));
            assertThat(e.ratio().value()).isCloseTo(Math.exp(mean), within(1e-5));
            assertThat(told).hasSize(COUNT);
            assertThat(told.getLast().estimates()).containsExactly(e);
            assertThat(told.getFirst().estimates().getFirst().scored()).isEqualTo(11);
            assertThat(found.divergenceInterval().orElseThrow().excludes(divergence / n))
                    .isFalse();
        }
    }

    @Test
    void aModelIsNotFarFromItselfAndThePairSaysWhoIsNearer() {
        try (Model model = RandomModel.small(1).open(directory);
                Model other = RandomModel.small(2).open(directory);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2);
                Forward same = Forward.of(model, ForwardTest.LLAMA, WINDOW, 1, 0);
                Forward far = Forward.of(other, ForwardTest.LLAMA, WINDOW, 1)) {
            Comparison.Result result =
                    Comparison.of(windows(base), base, List.of(far, same)).run(done -> {});
            DivergenceEstimates e = result.divergences().getLast().estimates();
            assertThat(e.divergence()).isEqualTo(new Estimate(0, 0));
            assertThat(e.sameTop()).isEqualTo(new Estimate(1, 0));
            assertThat(e.logRatio()).isEqualTo(new Estimate(0, 0));
            assertThat(e.rootMeanSquareChange().value()).isZero();
            assertThat(e.correlation()).isCloseTo(1, within(1e-9));
            PairedDifference pair = result.pairs().getFirst();
            assertThat(result.pairs()).hasSize(1);
            assertThat(pair.nearer()).isEqualTo(1);
            assertThat(pair.certain()).isTrue();
            assertThat(pair.divergence())
                    .isCloseTo(
                            result.divergences()
                                    .getFirst()
                                    .estimates()
                                    .divergence()
                                    .value(),
                            within(1e-6));
            assertThat(pair.divergenceInterval().orElseThrow().low()).isPositive();
        }
    }

    /** What a base file keeps of a model's log probabilities is enough for nearly the same figures. */
    @Test
    void ASavedBaseIsReadAgain() {
        Path file = directory.resolve("base.bin");
        // An odd vocabulary: the peer then keeps one code more.
        try (Model model = RandomModel.small(1).open(directory);
                Model other = RandomModel.small(2).open(directory);
                Forward base = Forward.of(model, ForwardTest.LLAMA, WINDOW, 2);
                Forward candidate = Forward.of(other, ForwardTest.LLAMA, WINDOW, 2)) {
            Windows windows = windows(base);
            long size = Comparison.baseFileSize(windows, base.vocabulary());
            assertThat(size).isEqualTo(20 + 4 * WINDOW * COUNT + COUNT * 11 * (8 + 2 * 132));
            Divergence direct;
            try (OutputFile output = OutputFile.create(file, size, List.of(), false)) {
                Comparison comparison = Comparison.of(windows, base, List.of(candidate));
                comparison.saveTo(output);
                direct = comparison.run(done -> {}).divergences().getFirst();
                output.commit();
            }
            try (BaseFile saved = BaseFile.open(file)) {
                saved.requireText("text", windows.tokens());
                Windows again = saved.windows(OptionalInt.of(2), 100);
                assertThat(again.input(0, COUNT)).isEqualTo(windows.input(0, COUNT));
                DivergenceEstimates found = Comparison.of(again, saved, List.of(candidate))
                        .run(done -> {})
                        .divergences()
                        .getFirst()
                        .estimates();
                assertThat(found.divergence().value())
                        .isCloseTo(direct.estimates().divergence().value(), within(1e-4));
                assertThat(found.perplexity().value())
                        .isCloseTo(direct.estimates().perplexity().value(), within(1e-4));
                assertThat(found.sameTop()).isEqualTo(direct.estimates().sameTop());
            }
        }
    }
}
