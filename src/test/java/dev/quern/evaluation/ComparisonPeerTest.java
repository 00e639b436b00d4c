package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.report.DivergenceReport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The base file and the figures beside what llama-perplexity of May 2026 wrote and printed for the bundled model: F16 as
 * the base, the first 8 windows of the held-out text, -c 512 -b 512.
 */
class ComparisonPeerTest {
    /** SHA-256 of the file that llama-perplexity --kl-divergence-base wrote. */
    private static final String WRITTEN_BY_PEER = "4e78720db385c27db3027130bd48f3058892a082971bff5448b44638fca683c2";

    @TempDir
    static Path directory;

    private static byte[] file = {};

    private static Windows windows(int[] tokens, int most) {
        return Windows.halves("heldout.txt", tokens, OptionalInt.of(1), 512, most);
    }

    private static Path converted(FileType type) {
        Path file = directory.resolve(type + ".gguf");
        return Files.exists(file) ? file : Bundled.convert(type, directory);
    }

    /** The peer's own logits through our encoder. */
    @BeforeAll
    static void writeFromThePeersLogits() throws IOException {
        LlamaCpp.require();
        Path f16 = converted(FileType.F16);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (Source source = Source.open(f16);
                LlamaModel model = LlamaCpp.load(f16)) {
            Windows windows = windows(Bundled.tokens(source.model()), 8);
            int vocabulary = model.vocabularySize();
            out.writeBytes(BaseFile.head(windows, vocabulary));
            byte[] row = new byte[(int) LogProbabilities.rowBytes(vocabulary)];
            for (int window = 0; window < 8; window++) {
                float[] logits = model.logits(windows.input(window, 1));
                for (int i = 0; i < windows.scored(); i++) {
                    LogProbabilities.encode(
                            logits, (windows.first() + i) * vocabulary, vocabulary, MemorySegment.ofArray(row));
                    out.writeBytes(row);
                }
            }
        }
        file = out.toByteArray();
        Files.write(directory.resolve("base.bin"), file);
    }

    @Test
    void theEncodedFileIsThePeersToTheBit() throws Exception {
        assertThat(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file)))
                .isEqualTo(WRITTEN_BY_PEER);
    }

    /** Same logits, same file: then every digit that the peer prints has to be ours. */
    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"Q8_0", "Q4_0", "Q4_K_M", "Q2_K"})
    void thePeersLogitsGiveThePeersPrint(FileType type) throws IOException {
        Path candidate = converted(type);
        try (BaseFile base = BaseFile.open(directory.resolve("base.bin"));
                LlamaModel model = LlamaCpp.load(candidate)) {
            Windows windows = base.windows(OptionalInt.of(1), 8);
            Scores scores = Peers.scores(model, windows, base);
            float[] improbability = Peers.improbabilities(windows, base);
            List<String> print = new ArrayList<>();
            DivergenceSums sums = new DivergenceSums();
            print.add(DivergenceReport.RUNNING_HEAD);
            for (int window = 0; window < 8; window++) {
                sums.add(improbability, scores, window * 255, (window + 1) * 255);
                print.add(DivergenceReport.running(window + 1, sums.estimates()));
            }
            print.add("");
            DivergenceReport.text(Divergence.of(improbability, scores, 8, 255))
                    .lines()
                    .forEach(print::add);
            List<String> recorded = Files.readAllLines(Path.of("test-data/golden/kld-" + type + ".txt"));
            int begin = recorded.indexOf(DivergenceReport.RUNNING_HEAD);
            assertThat(recorded.getLast()).isEmpty();
            assertThat(print).isEqualTo(recorded.subList(begin, recorded.size() - 1));
        }
    }

    /** Our forward pass beside the peer's with the same weights in F32: what is left is float noise. */
    @Test
    void ourLogitsOfAnF32FileGiveThePeersFigures() {
        Path candidate = converted(FileType.F32);
        try (BaseFile base = BaseFile.open(directory.resolve("base.bin"));
                Source source = Source.open(candidate);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 512, 2);
                LlamaModel model = LlamaCpp.load(candidate)) {
            Windows windows = base.windows(OptionalInt.of(1), 8);
            DivergenceEstimates found = Comparison.of(windows, base, List.of(forward))
                    .run(done -> {})
                    .divergences()
                    .getFirst()
                    .estimates();
            DivergenceEstimates expected = Divergence.of(
                            Peers.improbabilities(windows, base), Peers.scores(model, windows, base), 8, 255)
                    .estimates();
            near(found.perplexity(), expected.perplexity(), 2e-5);
            // Both are as near to the base as 16 bits tell.
            assertThat(found.divergence().value())
                    .isCloseTo(expected.divergence().value(), within(1e-7));
            assertThat(found.rootMeanSquareChange().value())
                    .isCloseTo(expected.rootMeanSquareChange().value(), within(1e-5));
            assertThat(found.sameTop().value()).isCloseTo(expected.sameTop().value(), within(2e-3));
            assertThat(found.logRatio().value()).isCloseTo(expected.logRatio().value(), within(2e-5));
            assertThat(found.basePerplexity()).isEqualTo(expected.basePerplexity());
        }
    }

    /** The peer rounds activations of quantized models to 8 bits; its figures differ by that. */
    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"Q4_0", "Q2_K"})
    void ourLogitsOfQuantizedFilesGiveNearlyThePeersFigures(FileType type) throws IOException {
        Path candidate = converted(type);
        String recorded = Files.readString(Path.of("test-data/golden/kld-" + type + ".txt"));
        try (BaseFile base = BaseFile.open(directory.resolve("base.bin"));
                Source source = Source.open(candidate);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 512, 2)) {
            DivergenceEstimates found = Comparison.of(base.windows(OptionalInt.of(1), 8), base, List.of(forward))
                    .run(done -> {})
                    .divergences()
                    .getFirst()
                    .estimates();
            assertThat(found.perplexity().value())
                    .isCloseTo(
                            recorded(recorded, "Mean PPL(Q)"),
                            within(1e-3 * found.perplexity().value()));
            double divergence = recorded(recorded, "Mean    KLD");
            assertThat(found.divergence().value()).isCloseTo(divergence, within(0.02 * divergence));
        }
    }

    private static double recorded(String print, String label) {
        String line = print.lines().filter(l -> l.startsWith(label)).findFirst().orElseThrow();
        return Double.parseDouble(
                line.substring(line.indexOf(':') + 1, line.indexOf('\u00b1')).strip());
    }

    private static void near(Estimate found, Estimate expected, double relative) {
        assertThat(found.value()).isCloseTo(expected.value(), within(relative * expected.value()));
        assertThat(found.error()).isCloseTo(expected.error(), within(relative * expected.error()));
    }
}
