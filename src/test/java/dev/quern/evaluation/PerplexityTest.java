package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bundled model's perplexity against what llama-perplexity and transformers made of it. */
class PerplexityTest {
    /** llama-perplexity of May 2026 on held-out text, -c 512; see the file itself. */
    private static final JsonNode RECORDED = JsonMapper.shared()
            .readTree(Path.of("test-data/golden/perplexity.json").toFile())
            .get("types");

    /** transformers 5.18 in float32 over all 178 windows. */
    private static final double TRANSFORMERS = 47.098521913688856;

    @TempDir
    Path directory;

    @Test
    void theWholeTextGivesThePeersNumbers() {
        List<Perplexity.Progress> told = new ArrayList<>();
        try (Source source = Source.open(Bundled.CHECKPOINT);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 512, 2)) {
            int[] tokens = Bundled.tokens(source.model());
            Perplexity.Result result = measure(forward, tokens, Integer.MAX_VALUE, told::add);

            assertThat(tokens).hasSize(91_473);
            assertThat(result.windows()).isEqualTo(178);
            assertThat(result.scored()).isEqualTo(178 * 255);
            assertThat(result.perplexity()).isCloseTo(TRANSFORMERS, within(1e-7 * TRANSFORMERS));
            assertThat(result.perplexity()).isEqualTo(Math.exp(result.meanImprobability()));
            for (String type : List.of("F32", "F16")) {
                JsonNode recorded = RECORDED.get(type);
                assertRelative(result.perplexity(), recorded.get("ppl").asDouble(), 2e-5);
                assertRelative(result.error(), recorded.get("error").asDouble(), 2e-5);
                assertRunning(result.running(), recorded.get("running"), 178);
            }
            assertThat(told).hasSize(178);
            for (int i = 0; i < 178; i++) {
                assertThat(told.get(i).windowsDone()).isEqualTo(i + 1);
                assertThat(told.get(i).windows()).isEqualTo(178);
                assertThat(told.get(i).perplexity()).isEqualTo(result.running().get(i));
            }
            assertThat(told.getLast().secondsLeft()).isZero();
            assertThat(result.tokensPerSecond()).isPositive();
            assertThat(result.bitsPerByte(tokens.length, Bundled.HELD_OUT.bytes().length))
                    .isCloseTo(Math.log(TRANSFORMERS) / Math.log(2) * 91_473 / 302_280, within(1e-6));
        }
    }

    /** Weights are F16 in the checkpoint, so the F32 file holds the same numbers: the results are the same bits. */
    @Test
    void anF32FileAndTheCheckpointItCameFromAreTheSameModel() {
        try (Source checkpoint = Source.open(Bundled.CHECKPOINT);
                Source file = Source.open(Bundled.convert(FileType.F32, directory));
                Forward one = Forward.of(checkpoint.model(), Bundled.pass(checkpoint.model()), 512, 1);
                Forward other = Forward.of(file.model(), Bundled.pass(file.model()), 512, 2)) {
            int[] tokens = Bundled.tokens(file.model());
            Perplexity.Result ofFile = measure(other, tokens, 5, p -> {});
            assertThat(measure(one, tokens, 5, p -> {}).running()).isEqualTo(ofFile.running());
            assertThat(ofFile.windows()).isEqualTo(5);
            assertRunning(ofFile.running(), RECORDED.get("F32").get("running"), 5);
        }
    }

    /**
     * The peer rounds activations to 8 bits before it multiplies them with quantized weights. What a float evaluator
     * should give was recorded from it with the same weights decoded to F32.
     */
    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"Q8_0", "Q4_0", "Q4_K_M", "Q2_K"})
    void quantizedFilesGiveThePeersNumbersForFloatActivations(FileType type) {
        JsonNode recorded = RECORDED.get(type + ", float activations");
        try (Source source = Source.open(Bundled.convert(type, directory));
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 512, 2)) {
            Perplexity.Result result = measure(forward, Bundled.tokens(source.model()), 40, p -> {});
            assertRelative(result.perplexity(), recorded.get("ppl").asDouble(), 5e-5);
            assertRelative(result.error(), recorded.get("error").asDouble(), 5e-5);
        }
    }

    @Test
    void withoutABeginningTheFirstTokenStays() {
        try (Source source = Source.open(Bundled.CHECKPOINT);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), 64, 2)) {
            int[] tokens = Bundled.tokens(source.model());
            int[] replaced = java.util.Arrays.copyOf(tokens, 128);
            replaced[0] = 1;
            replaced[64] = 1;
            Perplexity.Result with = Perplexity.measure(
                    forward,
                    Windows.halves("text", java.util.Arrays.copyOf(tokens, 128), OptionalInt.of(1), 64, 9),
                    p -> {});
            Perplexity.Result byHand =
                    Perplexity.measure(forward, Windows.halves("text", replaced, OptionalInt.empty(), 64, 9), p -> {});
            assertThat(with.running()).isEqualTo(byHand.running());
        }
    }

    private static Perplexity.Result measure(Forward forward, int[] tokens, int most, Perplexity.Listener listener) {
        return Perplexity.measure(
                forward, Windows.halves("heldout.txt", tokens, OptionalInt.of(1), forward.window(), most), listener);
    }

    private static void assertRunning(List<Double> found, JsonNode recorded, int count) {
        assertThat(found).hasSize(count);
        for (int i = 0; i < count; i++) {
            assertRelative(found.get(i), recorded.get(i).asDouble(), 1e-4);
        }
    }

    private static void assertRelative(double found, double expected, double tolerance) {
        assertThat(found).isCloseTo(expected, within(tolerance * expected));
    }
}
