package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.architecture.ForwardPass;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.io.InputException;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Family;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A tiny random model of each family, as the peer's converter writes it, against what transformers computes (recorded by
 * scripts/make-evaluation-fixtures) and against llama_decode.
 */
class FamilyLogitsTest {
    private static final Path FIXTURES = Path.of("test-data/evaluation");

    /**
     * What llama.cpp does not compute: GPT-J (it has names for its tensors only), DeepSeek V2 without a latent state of
     * queries (but for the numbers of blocks that its own models have), encoders' logits.
     */
    private static final Set<String> NOT_THE_PEERS =
            Set.of("gptj", "deepseek2-lite", "deepseek2-groups", "bert", "nomic-bert", "xlm-roberta");

    @TempDir
    Path directory;

    static Stream<String> models() throws IOException {
        try (Stream<Path> files = Files.list(FIXTURES)) {
            return files
                    .map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".gguf"))
                    .map(name -> name.substring(0, name.length() - ".gguf".length()))
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    /** Families that transformers has. */
    static Stream<String> recordedModels() throws IOException {
        return models().filter(name -> Recorded.of(name).width > 0);
    }

    static Stream<String> peersModels() throws IOException {
        return models().filter(name -> !NOT_THE_PEERS.contains(name));
    }

    /** What transformers computed: a row for each token. */
    private record Recorded(int[] tokens, int width, float[] rows) {
        static Recorded of(String name) {
            return of(FIXTURES.resolve(name + ".logits"));
        }

        static Recorded of(Path logits) {
            try {
                ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(logits)).order(ByteOrder.LITTLE_ENDIAN);
                int[] tokens = new int[file.getInt()];
                int width = file.getInt();
                file.asIntBuffer().get(tokens);
                float[] rows = new float[tokens.length * width];
                file.position(8 + 4 * tokens.length)
                        .slice()
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .asFloatBuffer()
                        .get(rows);
                return new Recorded(tokens, width, rows);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("recordedModels")
    void equalThoseOfTransformers(String name) {
        Recorded recorded = Recorded.of(name);
        int count = recorded.tokens.length;
        try (Source source = Source.open(FIXTURES.resolve(name + ".gguf"))) {
            ForwardPass pass = Bundled.pass(source.model());
            try (Forward forward = Forward.of(source.model(), pass, count, 2)) {
                float[] found = pass.bidirectional()
                        ? states(forward, recorded.tokens)
                        : forward.logits(recorded.tokens, 0, count);
                assertThat(worst(found, recorded.rows)).isLessThan(1e-4 * range(recorded.rows));
            }
            if (pass.bidirectional()) {
                assertThatThrownBy(() -> CachedForward.of(source.model(), pass, count, 2))
                        .isInstanceOf(InputException.class)
                        .hasMessageEndingWith("an encoder cannot continue a text: its tokens see those after them");
                return;
            }
            try (CachedForward cached = CachedForward.of(source.model(), pass, count, 2)) {
                for (int i = 0; i < count; i++) {
                    float[] found = cached.next(new int[] {recorded.tokens[i]});
                    float[] row =
                            java.util.Arrays.copyOfRange(recorded.rows, i * recorded.width, (i + 1) * recorded.width);
                    assertThat(worst(found, row)).as("token %d", i).isLessThan(1e-4 * range(recorded.rows));
                }
            }
        }
    }

    /** GPT-J, which llama.cpp does not convert: as it is, and converted. */
    @Test
    void theCheckpointsOfGptJEqualThoseOfTransformers() throws Exception {
        Recorded recorded = Recorded.of(Path.of("test-data/families/gptj.logits"));
        Path checkpoint = Family.of("gptj").write(directory);
        Path converted = directory.resolve("gptj.gguf");
        try (Source source = Source.open(checkpoint)) {
            convert(CheckpointTypes.plan(source, FileType.F32), checkpoint, converted);
        }
        for (Path model : List.of(checkpoint, converted)) {
            try (Source source = Source.open(model);
                    Forward forward =
                            Forward.of(source.model(), Bundled.pass(source.model()), recorded.tokens.length, 2)) {
                float[] found = forward.logits(recorded.tokens, 0, recorded.tokens.length);
                assertThat(worst(found, recorded.rows)).as("%s", model).isLessThan(1e-4 * range(recorded.rows));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("peersModels")
    void equalThoseOfLlamaCpp(String name) {
        LlamaCpp.require();
        Recorded recorded = Recorded.of(name);
        int count = recorded.tokens.length;
        Path file = inF32(FIXTURES.resolve(name + ".gguf"));
        try (Source source = Source.open(file);
                Forward forward = Forward.of(source.model(), Bundled.pass(source.model()), count, 2);
                LlamaModel peer = LlamaCpp.load(file)) {
            float[] expected = peer.logits(recorded.tokens, ContextOptions.FLOAT);
            float[] found = forward.logits(recorded.tokens, 0, count);
            assertThat(worst(found, expected)).isLessThan(1e-3 * range(expected));
        }
    }

    private static float[] states(Forward forward, int[] tokens) {
        Packed states = forward.states(tokens, 0, tokens.length);
        float[] rows = new float[tokens.length * states.width()];
        for (int i = 0; i < tokens.length; i++) {
            states.read(i, 0, states.width(), rows, i * states.width());
        }
        return rows;
    }

    private Path inF32(Path gguf) {
        Path file = directory.resolve("f32.gguf");
        try (Source source = Source.open(gguf)) {
            convert(Quantization.plan(source, FileType.F32, QuantizationOptions.NONE), gguf, file);
        }
        return file;
    }

    private static void convert(OutputPlan plan, Path from, Path to) {
        Conversion.run(
                List.of(new Conversion.Output(plan, to)),
                List.of(from),
                new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
    }

    private static double worst(float[] found, float[] expected) {
        assertThat(found).hasSameSizeAs(expected);
        double worst = 0;
        for (int i = 0; i < found.length; i++) {
            double difference = Math.abs((double) found[i] - expected[i]);
            worst = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(worst, difference);
        }
        return worst;
    }

    private static double range(float[] logits) {
        float least = Float.POSITIVE_INFINITY;
        float most = Float.NEGATIVE_INFINITY;
        for (float logit : logits) {
            least = Math.min(least, logit);
            most = Math.max(most, logit);
        }
        return (double) most - least;
    }
}
