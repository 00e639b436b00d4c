package dev.quern.pipeline;

import static dev.quern.pipeline.CompensatedRun.CONTEXT;
import static dev.quern.pipeline.CompensatedRun.WINDOWS;
import static dev.quern.pipeline.CompensatedRun.options;
import static dev.quern.pipeline.CompensatedRun.reference;
import static dev.quern.pipeline.CompensatedRun.run;
import static dev.quern.pipeline.CompensatedRun.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufFile;
import dev.quern.io.InputException;
import dev.quern.io.RefusedException;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.pipeline.CompensatedRun.Told;
import dev.quern.quantization.FileType;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whole models whose codes are chosen together, of every family. */
class CompensatedConversionTest {
    /** Its experts are stored as MXFP4: nothing quantizes them again. */
    private static final Set<String> QUANTIZED = Set.of("gpt-oss-mxfp4");

    @TempDir
    private Path folder;

    private Path directory(String name) throws IOException {
        return Files.createDirectory(folder.resolve(name));
    }

    private static byte[] blocks(GgufFile file, String name) {
        return file.region(name)
                .bytes(
                        0,
                        Math.toIntExact(
                                Objects.requireNonNull(file.tensors().get(name)).bytes()));
    }

    private static float[] values(TensorSource tensor) {
        float[] out = new float[Math.toIntExact(tensor.info().shape().elements())];
        tensor.readRows(0, Math.toIntExact(tensor.info().shape().rows()), out, 0);
        return out;
    }

    private static boolean isNothing(float[] values) {
        for (float value : values) {
            if (value != 0) {
                return false;
            }
        }
        return true;
    }

    /** What llama.cpp does not load: DeepSeek V2 without a latent state of queries, and GPT-J at all. */
    private static final Set<String> UNLOADABLE = Set.of("deepseek2-lite", "gptj");

    static List<Family> families() {
        return Family.all().stream()
                .filter(family -> !QUANTIZED.contains(family.name()))
                .toList();
    }

    /** Tied and own output matrices, fused and latent attention, experts, parallel residuals: all are written whole. */
    @ParameterizedTest
    @MethodSource("families")
    void everyFamilyRunsThrough(Family family) throws Exception {
        Path in = FamiliesTest.convert(family.write(folder), FileType.F16, folder);
        Path theirs = reference(in, FileType.Q4_K_M, folder.resolve("reference.gguf"));
        Path directory = directory("out");
        Told told = new Told();
        Path out = run(
                in, FileType.Q4_K_M, directory.resolve("out.gguf"), options(2, Conversion.Resume.ALWAYS, told), told);
        assertThat(SmallRun.list(directory)).containsExactly("out.gguf");
        assertThat(told.notices).isEmpty();
        assertThat(Files.size(out)).isEqualTo(Files.size(theirs));
        assertThat(told.chosen).isNotEmpty();
        try (Source original = Source.open(in);
                Source ours = Source.open(out);
                GgufFile found = GgufFile.open(out);
                GgufFile expected = GgufFile.open(theirs)) {
            int header = Math.toIntExact(expected.dataStart());
            assertThat(Arrays.copyOf(Files.readAllBytes(out), header))
                    .isEqualTo(Arrays.copyOf(Files.readAllBytes(theirs), header));
            int different = 0;
            for (TensorSource tensor : original.model().tensors().sources()) {
                String name = tensor.info().name();
                float[] values = values(ours.model().tensors().get(name).orElseThrow());
                assertThat(isNothing(values)).as(name).isEqualTo(isNothing(values(tensor)));
                different += Arrays.equals(blocks(found, name), blocks(expected, name)) ? 0 : 1;
            }
            assertThat(different).isPositive();
        }
        if (!UNLOADABLE.contains(family.name())) {
            try (LlamaModel model = LlamaCpp.load(out);
                    LlamaModel reference = LlamaCpp.load(theirs)) {
                assertThat(model.vocabularySize()).isPositive().isEqualTo(reference.vocabularySize());
            }
        }
    }

    @Test
    void neitherThreadsNorPlaceChangeAByte() throws Exception {
        Path in = CompensatedRun.model("mixtral", folder);
        byte[] first = null;
        for (int threads : new int[] {1, 2, 3}) {
            Told told = new Told();
            Path out = run(
                    in,
                    FileType.Q4_0,
                    directory("threads-" + threads).resolve(threads + ".gguf"),
                    options(threads, threads == 1 ? Conversion.Resume.NEVER : Conversion.Resume.ALWAYS, told),
                    told);
            byte[] bytes = Files.readAllBytes(out);
            first = first == null ? bytes : first;
            assertThat(bytes).isEqualTo(first);
        }
    }

    /** Floats have no codes: nothing is chosen, and the file is the usual one. */
    @Test
    void floatsAreCopied() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Told told = new Told();
        Path directory = directory("out");
        Path out =
                run(in, FileType.BF16, directory.resolve("a.gguf"), options(1, Conversion.Resume.ALWAYS, told), told);
        assertThat(told.chosen).isEmpty();
        assertThat(out).hasSameBinaryContentAs(reference(in, FileType.BF16, folder.resolve("reference.gguf")));
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
    }

    /** Fitted to one token over and over, and judged on others: what is worse there keeps the reference's blocks. */
    @Test
    void whatIsNotBetterElsewhereStaysTheReferences() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Path theirs = reference(in, FileType.Q4_0, folder.resolve("reference.gguf"));
        Path out = folder.resolve("guarded.gguf");
        Random random = new Random(4);
        int[] tokens = new int[WINDOWS * CONTEXT];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = i / CONTEXT % 8 == 4 ? 100 + random.nextInt(200) : 50;
        }
        Told told = new Told();
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            Windows text = new Windows("text", tokens, OptionalInt.empty(), CONTEXT, CONTEXT, CONTEXT / 2, WINDOWS);
            run(model, text, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, told), told);
        }
        try (GgufFile found = GgufFile.open(out);
                GgufFile expected = GgufFile.open(theirs)) {
            told.chosen.forEach((name, choice) -> {
                assertThat(choice.kept()).as(name).isEqualTo(choice.compensated() < choice.reference() ? 1 : 0);
                assertThat(Arrays.equals(blocks(found, name), blocks(expected, name)))
                        .as(name)
                        .isEqualTo(choice.kept() == 0);
            });
        }
        assertThat(told.chosen.values()).anyMatch(choice -> choice.kept() == 0);
    }

    @Test
    void whatIsRefusedIsRefusedAtOnce() throws Exception {
        Path in = CompensatedRun.model("llama", folder);
        Path directory = directory("out");
        Path out = Files.writeString(directory.resolve("a.gguf"), "an older file");
        Told told = Told.until(0);
        assertThatThrownBy(() -> run(in, FileType.Q4_0, out, options(1, Conversion.Resume.ALWAYS, told), told))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("exists");
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
        assertThat(out).hasContent("an older file");
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            Windows text = text(model, 0);
            Windows few = new Windows("text", text.tokens(), text.beginning(), CONTEXT, CONTEXT, CONTEXT / 2, 15);
            assertThatThrownBy(() -> run(
                            model,
                            few,
                            FileType.Q4_0,
                            directory.resolve("b.gguf"),
                            options(1, Conversion.Resume.ALWAYS, told),
                            told))
                    .isInstanceOf(InputException.class)
                    .hasMessage(
                            "text: is too short to fit codes to: expected at least 16 windows of 16 tokens, found 15");
        }
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
    }
}
