package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.compensation.Choice;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufFile;
import dev.quern.io.FileOperations;
import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.RefusedException;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whole models whose codes are chosen together, of every family. */
class CompensatedConversionTest {
    private static final int CONTEXT = 16;
    private static final int WINDOWS = 24;
    private static final String TOOL = "0.0 (commit test)";

    /** Its experts are stored as MXFP4: nothing quantizes them again. */
    private static final Set<String> QUANTIZED = Set.of("gpt-oss-mxfp4");

    @TempDir
    private Path folder;

    /** What a run told. */
    private static final class Told implements CompensatedConversion.Observer, CompensatedPlan.Listener {
        final List<String> notices = new ArrayList<>();
        final Map<String, Choice> chosen = new LinkedHashMap<>();
        private int most = Integer.MAX_VALUE;

        /** Fails when so many tensors have been chosen. */
        static Told until(int most) {
            Told told = new Told();
            told.most = most;
            return told;
        }

        @Override
        public void block(int block, int blocks) {
            assertThat(block).isBetween(0, blocks - 1);
        }

        @Override
        public void chosen(PlannedTensor tensor, Choice choice) {
            if (chosen.size() == most) {
                throw new IllegalStateException("enough");
            }
            chosen.put(tensor.name(), choice);
            if (most < Integer.MAX_VALUE) {
                // Time for a checkpoint, as the choosing of a real model's next tensor takes.
                LockSupport.parkNanos(50_000_000);
            }
        }

        @Override
        public CompensatedPlan.Listener listener(Path target) {
            return this;
        }

        @Override
        public void chosen(Path target, CompensatedPlan plan) {
            assertThat(plan.choices().keySet()).containsAll(chosen.keySet());
        }
    }

    private Path model(String family) throws Exception {
        return FamiliesTest.convert(Family.of(family).write(folder), FileType.F16, folder);
    }

    private Path directory(String name) throws IOException {
        return Files.createDirectory(folder.resolve(name));
    }

    private static Windows text(EvaluatedModel model, int skip) {
        byte[] bytes = Text.read(Path.of("test-data/text/calibration.txt")).bytes();
        int[] tokens = model.tokenizer().encode(Arrays.copyOfRange(bytes, skip, skip + 20 * CONTEXT * WINDOWS), true);
        return Windows.halves("text", tokens, model.beginning(), CONTEXT, WINDOWS);
    }

    private static Conversion.Options options(int threads, Conversion.Resume resume, Told told) {
        return new Conversion.Options(threads, Kernel.SIMD, false, false, Progress.SILENT)
                .with(FileOperations.UNFORCED)
                .with(resume, TOOL, told.notices::add);
    }

    private static Path run(Path in, FileType type, Path out, Conversion.Options options, Told told) {
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            run(model, text(model, 0), type, out, options, told);
        }
        return out;
    }

    private static void run(
            EvaluatedModel model, Windows text, FileType type, Path out, Conversion.Options options, Told told) {
        OutputPlan plan = Quantization.plan(model.source(), type, QuantizationOptions.NONE);
        List<Conversion.Written> written = CompensatedConversion.run(
                model,
                text,
                List.of(new Conversion.Output(plan, out)),
                output -> true,
                Inputs.of(model.source().model(), List.of(), ""),
                options,
                told);
        assertThat(written).singleElement().satisfies(file -> {
            assertThat(file.file()).isEqualTo(out);
            assertThat(file.plan()).isSameAs(plan);
        });
    }

    private static Path reference(Path in, FileType type, Path out) {
        try (Source source = Source.open(in)) {
            Conversion.run(
                    List.of(new Conversion.Output(Quantization.plan(source, type, QuantizationOptions.NONE), out)),
                    source.model().paths(),
                    new Conversion.Options(1, Kernel.SIMD, false, false, Progress.SILENT));
        }
        return out;
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
        if (!family.name().equals("deepseek2-lite")) {
            try (LlamaModel model = LlamaCpp.load(out);
                    LlamaModel reference = LlamaCpp.load(theirs)) {
                assertThat(model.vocabularySize()).isPositive().isEqualTo(reference.vocabularySize());
            }
        }
    }

    @Test
    void neitherThreadsNorPlaceChangeAByte() throws Exception {
        Path in = model("mixtral");
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

    @Test
    void anInterruptedRunIsGoneOnWith() throws Exception {
        Path in = model("llama");
        Told whole = new Told();
        byte[] expected = Files.readAllBytes(run(
                in,
                FileType.Q4_0,
                directory("whole").resolve("a.gguf"),
                options(2, Conversion.Resume.ALWAYS, whole),
                whole));
        int all = whole.chosen.size();
        for (int most : new int[] {0, 1, 5, all - 1}) {
            Path directory = directory("at-" + most);
            Path out = directory.resolve("a.gguf");
            Told ended = Told.until(most);
            assertThatThrownBy(() -> run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, ended), ended))
                    .hasMessage("enough");
            if (most > 1) {
                assertThat(SmallRun.list(directory))
                        .hasSize(2)
                        .allMatch(name -> name.matches("\\.a\\.gguf\\.codes\\.[0-9a-f]{16}\\.(partial|journal)"));
                assertThat(ended.notices).anyMatch(notice -> notice.startsWith("note: "));
            }
            Told again = new Told();
            run(in, FileType.Q4_0, out, options(1, Conversion.Resume.ALWAYS, again), again);
            assertThat(out).hasBinaryContent(expected);
            assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
            // The one whose choice could not be told has its blocks too, unless its checkpoint came too late.
            assertThat(again.chosen.size()).isBetween(all - most - 1, most > 1 ? all - most + 1 : all);
            if (most > 1) {
                assertThat(again.notices)
                        .singleElement()
                        .asString()
                        .matches("note: .*a\\.gguf: goes on where an interrupted run stopped: \\d+ of \\d+ tensors are"
                                + " there");
            }
            assertThat(again.chosen)
                    .allSatisfy((name, choice) -> assertThat(choice).isEqualTo(whole.chosen.get(name)));
        }
    }

    /** Floats have no codes: nothing is chosen, and the file is the usual one. */
    @Test
    void floatsAreCopied() throws Exception {
        Path in = model("llama");
        Told told = new Told();
        Path directory = directory("out");
        Path out =
                run(in, FileType.BF16, directory.resolve("a.gguf"), options(1, Conversion.Resume.ALWAYS, told), told);
        assertThat(told.chosen).isEmpty();
        assertThat(out).hasSameBinaryContentAs(reference(in, FileType.BF16, folder.resolve("reference.gguf")));
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
    }

    @Test
    void withoutResumingNothingStays() throws Exception {
        Path in = model("llama");
        Path directory = directory("out");
        Told ended = Told.until(3);
        assertThatThrownBy(() -> run(
                        in,
                        FileType.Q4_0,
                        directory.resolve("a.gguf"),
                        options(2, Conversion.Resume.NEVER, ended),
                        ended))
                .hasMessage("enough");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void anotherTextStartsOver() throws Exception {
        Path in = model("llama");
        Path directory = directory("out");
        Path out = directory.resolve("a.gguf");
        Told ended = Told.until(3);
        assertThatThrownBy(() -> run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, ended), ended))
                .hasMessage("enough");
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            Windows other = text(model, 5000);
            Told fresh = new Told();
            Path alone = directory("alone").resolve("a.gguf");
            run(model, other, FileType.Q4_0, alone, options(2, Conversion.Resume.ALWAYS, fresh), fresh);
            Told again = new Told();
            run(model, other, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, again), again);
            assertThat(again.chosen).isEqualTo(fresh.chosen);
            assertThat(again.notices).noneMatch(notice -> notice.contains("goes on"));
            assertThat(out).hasSameBinaryContentAs(alone);
        }
    }

    /** What took long to choose outlives a disk that fails while it is copied. */
    @Test
    void chosenCodesOutliveTheOutput() throws Exception {
        Path in = model("llama");
        Path directory = directory("out");
        Path out = directory.resolve("a.gguf");
        Told told = new Told();
        FileOperations full = new FileOperations() {
            @Override
            public int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException {
                if (!told.chosen.isEmpty()) {
                    throw new IOException("No space left on device");
                }
                return FileOperations.super.write(channel, bytes, position);
            }

            @Override
            public void force(FileChannel channel) {}
        };
        assertThatThrownBy(() -> run(
                        in,
                        FileType.Q4_0,
                        out,
                        options(2, Conversion.Resume.ALWAYS, told).with(full),
                        told))
                .isInstanceOf(OutputException.class);
        assertThat(told.chosen).isNotEmpty();
        assertThat(out).doesNotExist();
        Told again = new Told();
        run(in, FileType.Q4_0, out, options(2, Conversion.Resume.ALWAYS, again), again);
        assertThat(again.chosen).isEmpty();
        assertThat(SmallRun.list(directory)).containsExactly("a.gguf");
        Told fresh = new Told();
        assertThat(out)
                .hasSameBinaryContentAs(run(
                        in,
                        FileType.Q4_0,
                        directory("fresh").resolve("b.gguf"),
                        options(1, Conversion.Resume.NEVER, fresh),
                        fresh));
    }

    /** Fitted to one token over and over, and judged on others: what is worse there keeps the reference's blocks. */
    @Test
    void whatIsNotBetterElsewhereStaysTheReferences() throws Exception {
        Path in = model("llama");
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
        Path in = model("llama");
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
