package dev.quern;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.evaluation.Forward;
import dev.quern.io.MappedFile;
import dev.quern.oracle.ContextOptions;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Our files in the runners that people use: llama.cpp's libraries, node-llama-cpp, and Hugging Face's parser. */
class RunnersTest {
    private static final Path MODEL = Path.of("test-data/models/tolstoy-4m");

    @TempDir
    static Path folder;

    @BeforeAll
    static void convert() {
        try (Source source = Source.open(MODEL)) {
            List<Conversion.Output> outputs = new ArrayList<>();
            for (FileType type : FileType.values()) {
                QuantizationOptions options = QuantizationOptions.NONE;
                if (needsImportance(type)) {
                    continue;
                }
                OutputPlan plan = CheckpointTypes.isDirect(type)
                        ? CheckpointTypes.plan(source, type)
                        : Quantization.plan(source, type, options);
                outputs.add(new Conversion.Output(plan, file(type)));
            }
            Conversion.run(
                    outputs,
                    source.model().files().stream().map(MappedFile::path).toList(),
                    new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
        }
    }

    private static boolean needsImportance(FileType type) {
        return switch (type) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M, IQ3_XXS, IQ3_XS, Q2_K_S -> true;
            default -> false;
        };
    }

    private static Path file(FileType type) {
        return folder.resolve(type + ".gguf");
    }

    /** llama.cpp computes F32 weights in float too, so only the order of sums differs. */
    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"F32", "F16", "Q8_0", "Q4_0", "Q4_K_M"})
    void llamaCppComputesWhatWeCompute(FileType type) {
        LlamaCpp.require();
        String text = "It was a bright cold day, and the prince was silent.";
        try (LlamaModel peer = LlamaCpp.load(file(type));
                Source source = Source.open(file(type))) {
            int[] tokens = peer.tokenize(text.getBytes(StandardCharsets.UTF_8), true, false);
            float[] theirs = peer.logits(tokens, ContextOptions.FLOAT);
            try (Forward forward = Forward.of(
                    source.model(), dev.quern.pipeline.EvaluatedModel.of(source).pass(), tokens.length, 2)) {
                float[] ours = forward.logits(tokens, 0, tokens.length);
                float least = Float.POSITIVE_INFINITY;
                float most = Float.NEGATIVE_INFINITY;
                float worst = 0;
                assertThat(ours).hasSameSizeAs(theirs);
                for (int i = 0; i < ours.length; i++) {
                    least = Math.min(least, theirs[i]);
                    most = Math.max(most, theirs[i]);
                    worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
                }
                // The peer quantizes activations to 8 bits for everything but F32.
                float allowed = type == FileType.F32 ? 1e-3f : 0.05f;
                assertThat(worst / (most - least)).isLessThan(allowed);
            }
        }
    }

    @Test
    void huggingFacesParserReadsEveryOutput() throws Exception {
        List<String> command = new ArrayList<>(List.of("parse-gguf.mjs"));
        List<FileType> types = new ArrayList<>();
        for (FileType type : FileType.values()) {
            if (Files.exists(file(type))) {
                types.add(type);
                command.add(file(type).toString());
            }
        }
        List<String> lines = node(command);
        assertThat(lines).hasSameSizeAs(types);
        for (int i = 0; i < lines.size(); i++) {
            JsonNode parsed = JsonMapper.builder().build().readTree(lines.get(i));
            assertThat(parsed.get("version").asInt()).isEqualTo(3);
            assertThat(parsed.get("file_type").asInt()).isEqualTo(types.get(i).id());
            assertThat(parsed.get("tokens").asInt()).isEqualTo(2048);
            try (Source source = Source.open(file(types.get(i)))) {
                assertThat(parsed.get("tensors").size())
                        .isEqualTo(source.types().size());
                parsed.get("tensors")
                        .forEach(tensor -> assertThat(
                                        source.types().get(tensor.get("name").asString()))
                                .isNotNull()
                                .satisfies(type -> assertThat(type.id())
                                        .isEqualTo(tensor.get("type").asInt())));
            }
        }
    }

    @Test
    void nodeLlamaCppGoesOnWithAText() throws Exception {
        String line = node(List.of("generate.mjs", file(FileType.Q4_0).toString(), "The prince", "24"))
                .getLast();
        String text = JsonMapper.builder().build().readTree(line).get("text").asString();
        // Words, as the novels have them: a model whose tensors are garbled repeats bytes or one token.
        assertThat(text.split("[^\\p{L}]+")).hasSizeGreaterThan(8);
    }

    private static List<String> node(List<String> arguments) throws Exception {
        LlamaCpp.require();
        List<String> command = new ArrayList<>(arguments);
        command.set(0, Path.of("src/test/js", arguments.getFirst()).toString());
        command.addFirst("node");
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        } catch (java.io.IOException e) {
            if ("1".equals(System.getenv("QUERN_REQUIRE_ORACLE"))) {
                throw e;
            }
            Assumptions.abort("node is not installed");
            throw new AssertionError(e);
        }
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        return out.lines().toList();
    }
}
