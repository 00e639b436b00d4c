package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.quern.architecture.Model;
import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CalibrationTest {
    private static final Path RECORDED = Path.of("test-data/golden/imatrix.gguf");

    @TempDir
    Path directory;

    /** llama-imatrix's file of the same model and text, -c 512. Quantized with either, the model is the same. */
    @Test
    void theBundledModelGivesThePeersMatrix() {
        ActivationSums expected = ImportanceReader.readSums(RECORDED, 512);
        ActivationSums found = new ActivationSums(512);
        try (Source source = Source.open(Bundled.CHECKPOINT);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 512, 2)) {
            Text text = Text.read(Path.of("test-data/text/calibration.txt"));
            int[] tokens = Tokenizer.of(source.model().metadata()).encode(text.bytes(), true);
            Windows windows = Windows.halves(text.origin(), tokens, OptionalInt.of(1), 512, Integer.MAX_VALUE);
            Calibration.Result result =
                    Calibration.collect(forward, windows, new Calibration.Options(false, false), found, p -> {});
            assertThat(result.windows()).isEqualTo(121);
        }
        assertThat(found.chunks()).isEqualTo(expected.chunks()).isEqualTo(121);
        assertThat(found.entries().keySet()).isEqualTo(expected.entries().keySet());
        found.entries().forEach((name, entry) -> {
            ActivationSums.Entry recorded =
                    java.util.Objects.requireNonNull(expected.entries().get(name));
            assertThat(entry.counts()).as(name).isEqualTo(recorded.counts());
            assertThat(entry.columns()).as(name).isEqualTo(recorded.columns());
            for (int column = 0; column < entry.columns(); column++) {
                assertThat(entry.sums()[0][column])
                        .as("%s, column %d", name, column)
                        .isCloseTo(recorded.sums()[0][column], within(1e-3 * recorded.sums()[0][column]));
            }
        });
        for (FileType type : List.of(FileType.Q2_K, FileType.IQ3_S)) {
            double ours = divergence(type, found.matrix());
            double theirs = divergence(type, expected.matrix());
            assertThat(theirs).as(type.name()).isGreaterThan(0.01);
            assertThat(ours).as(type.name()).isCloseTo(theirs, within(0.01 * theirs));
        }
    }

    /** Mean Kullback-Leibler divergence from the checkpoint over the second halves of three windows. */
    private double divergence(FileType type, ImportanceMatrix matrix) {
        Path file = directory.resolve(type + "-" + System.nanoTime() + ".gguf");
        try (Source source = Source.open(Bundled.CHECKPOINT)) {
            Conversion.run(
                    List.of(new Conversion.Output(
                            Quantization.plan(source, type, QuantizationOptions.NONE.with(matrix)), file)),
                    source.model().files().stream().map(MappedFile::path).toList(),
                    new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
        }
        try (Source base = Source.open(Bundled.CHECKPOINT);
                Source candidate = Source.open(file);
                Forward of = Forward.of(base.model(), Bundled.pass(base.model()), 512, 2);
                Forward against = Forward.of(candidate.model(), Bundled.pass(base.model()), 512, 2)) {
            int[] tokens = Bundled.tokens(base.model());
            double sum = 0;
            for (int window = 0; window < 3; window++) {
                int[] input = Arrays.copyOfRange(tokens, window * 512, (window + 1) * 512);
                float[] p = of.logits(input, 256, 511);
                float[] q = against.logits(input, 256, 511);
                for (int row = 0; row < 255; row++) {
                    sum += divergence(p, q, row * of.vocabulary(), of.vocabulary());
                }
            }
            return sum / (3 * 255);
        }
    }

    private static double divergence(float[] p, float[] q, int at, int count) {
        double pSum = 0;
        double qSum = 0;
        for (int i = at; i < at + count; i++) {
            pSum += Math.exp(p[i]);
            qSum += Math.exp(q[i]);
        }
        double sum = 0;
        for (int i = at; i < at + count; i++) {
            sum += Math.exp(p[i]) / pSum * (p[i] - Math.log(pSum) - q[i] + Math.log(qSum));
        }
        return sum;
    }

    /** Windows of 30 and 45 tokens are no whole tiles; one window at a time, or all seven at once. */
    @ParameterizedTest
    @CsvSource({"64, 1", "64, 3", "30, 2", "45, 3"})
    void neitherThreadsNorWindowsInFlightChangeABit(int length, int threads) {
        try (Model model = RandomModel.small(31).open(directory);
                Forward one = Forward.of(model, ForwardTest.LLAMA, length, 1, 0);
                Forward many = Forward.of(model, ForwardTest.LLAMA, length, threads)) {
            assertThat(one.windowsInFlight()).isEqualTo(1);
            assertThat(many.windowsInFlight()).isGreaterThanOrEqualTo(7);
            int[] tokens = ForwardTest.tokens(many, 7 * length + 3, 32);
            Windows windows = Windows.halves("text", tokens, OptionalInt.of(1), length, 99);
            ActivationSums alone = new ActivationSums(length);
            ActivationSums together = new ActivationSums(length);
            Calibration.Options options = new Calibration.Options(true, true);
            double perplexity =
                    Calibration.collect(one, windows, options, alone, p -> {}).perplexity();
            assertThat(Calibration.collect(many, windows, options, together, p -> {})
                            .perplexity())
                    .isEqualTo(perplexity)
                    .isEqualTo(Perplexity.measure(many, windows, p -> {}).perplexity());
            assertThat(together.entries().keySet()).isEqualTo(alone.entries().keySet());
            together.entries()
                    .forEach((name, entry) -> assertThat(entry.sums())
                            .as(name)
                            .isDeepEqualTo(java.util.Objects.requireNonNull(
                                            alone.entries().get(name))
                                    .sums()));
        }
    }

    /** What goes into the output matrix are the normalized states, which can be asked for. */
    @Test
    void theOutputMatrixCountsWhenWanted() {
        int length = 34;
        try (Model model =
                        RandomModel.small(33).matrix("output.weight", 131, 40).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, length, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 2 * length, 34);
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), length, 9);
            ActivationSums without = new ActivationSums(length);
            Calibration.collect(forward, windows, new Calibration.Options(false, true), without, p -> {});
            assertThat(without.entries()).doesNotContainKey("output.weight");
            ActivationSums with = new ActivationSums(length);
            Calibration.collect(forward, windows, new Calibration.Options(true, true), with, p -> {});
            assertThat(with.entries()).hasSize(without.entries().size() + 1);
            ActivationSums.Entry found =
                    java.util.Objects.requireNonNull(with.entries().get("output.weight"));
            assertThat(found.counts()).containsExactly(2L * length);
            var states = forward.states(tokens, 0, length);
            for (int column = 0; column < 40; column++) {
                double sum = 0;
                for (int row = 0; row < 2 * length; row++) {
                    double x = states.values()[states.at(0, row) + column * 4];
                    sum += x * x;
                }
                assertThat(found.sums()[0][column]).isCloseTo(sum, within(1e-5 * sum));
            }
        }
    }

    @Test
    void everyWindowIsTold() {
        try (Model model = RandomModel.small(35).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 16, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 5 * 16, 36);
            ActivationSums sums = new ActivationSums(16);
            List<Long> chunks = new java.util.ArrayList<>();
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), 16, 9);
            Calibration.collect(forward, windows, new Calibration.Options(false, false), sums, progress -> {
                assertThat(progress.windows()).isEqualTo(5);
                assertThat(progress.perplexity()).isNaN();
                chunks.add(sums.chunks());
            });
            assertThat(chunks).containsExactly(1L, 2L, 3L, 4L, 5L);
        }
    }

    @Test
    void activationsThatAreNotFiniteAreRefused() {
        RandomModel random = RandomModel.small(37).first("blk.1.attn_norm.weight", Float.POSITIVE_INFINITY);
        try (Model model = random.open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 16, 2)) {
            int[] tokens = ForwardTest.tokens(forward, 2 * 16, 38);
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), 16, 9);
            assertThatThrownBy(() -> Calibration.collect(
                            forward, windows, new Calibration.Options(false, false), new ActivationSums(16), p -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage("text: what goes into \"blk.1.attn_q.weight\" is not finite in column 0");
        }
    }

    /** Each expert has the squares and the number of its own tokens, as llama-imatrix keeps them. */
    @ParameterizedTest
    @CsvSource({"1, 1", "2, 3"})
    void expertsHaveSumsAndCountsOfTheirOwn(int threads, int inFlight) {
        int length = 12;
        try (Source source = Source.open(Path.of("test-data/evaluation/mixtral.gguf"));
                Forward forward = Forward.of(
                        source.model(),
                        Bundled.pass(source.model()),
                        length,
                        threads,
                        inFlight == 1 ? 0 : Forward.DEFAULT_MEMORY)) {
            int[] tokens = ForwardTest.tokens(forward, 3 * length, 40);
            ActivationSums sums = new ActivationSums(length);
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), length, 9);
            Calibration.collect(forward, windows, new Calibration.Options(false, false), sums, p -> {});
            NaiveDecoder naive = new NaiveDecoder(source.model());
            for (int window = 0; window < 3; window++) {
                naive.logits(java.util.Arrays.copyOfRange(tokens, window * length, (window + 1) * length));
            }
            assertThat(naive.squares).hasSize(6);
            assertThat(sums.chunks()).isEqualTo(3);
            naive.squares.forEach((name, expected) -> {
                ActivationSums.Entry found =
                        java.util.Objects.requireNonNull(sums.entries().get(name), name);
                assertThat(found.counts()).as(name).isEqualTo(naive.counts.get(name));
                for (int expert = 0; expert < expected.length; expert++) {
                    for (int column = 0; column < expected[expert].length; column++) {
                        double exact = expected[expert][column];
                        assertThat(found.sums()[expert][column])
                                .as("%s, expert %d, column %d", name, expert, column)
                                .isCloseTo(exact, within(1e-4 * exact + 1e-9));
                    }
                }
            });
        }
    }

    @Test
    void anExpertThatSawNoTokenIsKnown() {
        int length = 4;
        try (Source source = Source.open(Path.of("test-data/evaluation/deepseek3.gguf"));
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), length, 1)) {
            // One token over and over is one state: the same two of eight experts take it every time.
            int[] tokens = new int[2 * length];
            Arrays.fill(tokens, 5);
            ActivationSums sums = new ActivationSums(length);
            Windows windows = Windows.halves("text", tokens, OptionalInt.empty(), length, 9);
            Calibration.collect(forward, windows, new Calibration.Options(false, false), sums, p -> {});
            String name = "blk.1.ffn_gate_exps.weight";
            long[] counts =
                    java.util.Objects.requireNonNull(sums.entries().get(name)).counts();
            assertThat(Arrays.stream(counts).sum()).isEqualTo(4L * length);
            List<Integer> unseen = java.util.stream.IntStream.range(0, 8)
                    .filter(expert -> counts[expert] == 0)
                    .boxed()
                    .toList();
            assertThat(unseen).hasSize(6);
            assertThat(sums.matrix().entry(name).orElseThrow().unseen()).isEqualTo(unseen);
        }
    }
}
