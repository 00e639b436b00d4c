package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.compensation.Choice;
import dev.quern.evaluation.Comparison;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufModel;
import dev.quern.io.MappedFile;
import dev.quern.io.Region;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Codes that are chosen together: in little memory, for several outputs, and what they are worth. */
class CompensatedRoomTest {
    private static final Path MODEL = Path.of("test-data/models/addresses-3m");
    private static final Path TEXT = Path.of("test-data/text/addresses-calibration.txt");
    private static final Path UNSEEN = Path.of("test-data/text/addresses-heldout.txt");

    @TempDir
    private Path folder;

    private static final class Silent implements CompensatedConversion.Observer, CompensatedPlan.Listener {
        @Override
        public void block(int block, int blocks) {}

        @Override
        public void chosen(PlannedTensor tensor, Choice choice) {}

        @Override
        public CompensatedPlan.Listener listener(Path target) {
            return this;
        }

        @Override
        public void chosen(Path target, CompensatedPlan plan) {}
    }

    private static Windows windows(EvaluatedModel model, Path text, int length, int count) {
        Text read = Text.read(text);
        return model.windows(read, length, count);
    }

    private static void run(
            EvaluatedModel model, List<Conversion.Output> outputs, Windows text, CompensatedPlan.Room room) {
        Source source = model.source();
        CompensatedConversion.run(
                model,
                text,
                outputs,
                output -> true,
                Inputs.of(source.model(), List.of(), ""),
                new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT),
                room,
                new Silent());
    }

    private Path made(Path in, FileType type, String name, int length, CompensatedPlan.Room room) throws IOException {
        Path out = Files.createDirectory(folder.resolve(name)).resolve("a.gguf");
        try (EvaluatedModel model = EvaluatedModel.open(in)) {
            OutputPlan plan = Quantization.plan(model.source(), type, QuantizationOptions.NONE);
            run(model, List.of(new Conversion.Output(plan, out)), windows(model, TEXT, length, 16), room);
        }
        try (Stream<Path> files = Files.list(folder.resolve(name))) {
            assertThat(files).containsExactly(out);
        }
        return out;
    }

    /** All parts' blocks, each tensor's as one number. */
    private static Map<String, Integer> tensors(Path file) {
        Map<String, Integer> tensors = new TreeMap<>();
        GgufModel model = GgufModel.open(file);
        for (GgufFile part : model.parts()) {
            for (String name : part.tensors().keySet()) {
                Region blocks = part.region(name);
                tensors.put(name, Arrays.hashCode(blocks.bytes(0, Math.toIntExact(blocks.length()))));
            }
        }
        model.files().forEach(MappedFile::close);
        return tensors;
    }

    @Test
    void statesInAFileGiveTheSameBytes() throws IOException {
        Path inMemory = made(MODEL, FileType.Q4_0, "memory", 32, CompensatedPlan.Room.USUAL);
        Path inFile = made(MODEL, FileType.Q4_0, "file", 32, new CompensatedPlan.Room(32 << 20, 0, 1 << 30));
        assertThat(inFile).hasSameBinaryContentAs(inMemory);
    }

    /** Moments of experts are gathered in as many passes as memory asks for. */
    @Test
    void expertsOneAtATimeGiveTheSameBytes() throws Exception {
        Path experts16 = FamiliesTest.convert(Family.of("mixtral").write(folder), FileType.F16, folder);
        try (EvaluatedModel model = EvaluatedModel.open(experts16)) {
            int[] tokens = new int[16 * 32];
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = (i * 7919 + i / 5) % 100;
            }
            Windows text = Windows.halves("tokens", tokens, model.beginning(), 32, 16);
            List<Path> made = new ArrayList<>();
            for (long experts : new long[] {1L << 30, 1}) {
                Path out = folder.resolve("experts" + experts + ".gguf");
                OutputPlan plan = Quantization.plan(model.source(), FileType.Q4_0, QuantizationOptions.NONE);
                run(
                        model,
                        List.of(new Conversion.Output(plan, out)),
                        text,
                        new CompensatedPlan.Room(32 << 20, 1 << 20, experts));
                made.add(out);
            }
            assertThat(made.get(1)).hasSameBinaryContentAs(made.get(0));
        }
    }

    /** Three types in one run, one of them split and one of floats: each has the blocks that it has by itself. */
    @Test
    void severalOutputsAndPartsHaveTheSameBlocks() throws IOException {
        CompensatedPlan.Room room = CompensatedPlan.Room.USUAL;
        Map<String, Integer> four = tensors(made(MODEL, FileType.Q4_0, "four", 32, room));
        Map<String, Integer> five = tensors(made(MODEL, FileType.Q5_0, "five", 32, room));
        List<Conversion.Output> outputs = new ArrayList<>();
        try (EvaluatedModel model = EvaluatedModel.open(MODEL)) {
            OutputPlan whole = Quantization.plan(model.source(), FileType.Q4_0, QuantizationOptions.NONE);
            outputs.addAll(Split.outputs(new Split(20, 0, false).parts(whole), folder.resolve("parts.gguf")));
            outputs.add(new Conversion.Output(
                    Quantization.plan(model.source(), FileType.Q5_0, QuantizationOptions.NONE),
                    folder.resolve("other.gguf")));
            outputs.add(new Conversion.Output(
                    Quantization.plan(model.source(), FileType.F16, QuantizationOptions.NONE),
                    folder.resolve("floats.gguf")));
            run(model, outputs, windows(model, TEXT, 32, 16), room);
        }
        assertThat(outputs).hasSizeGreaterThan(4);
        assertThat(tensors(outputs.getFirst().target())).isEqualTo(four);
        assertThat(tensors(folder.resolve("other.gguf"))).isEqualTo(five);
        Path floats = folder.resolve("alone.gguf");
        CompensatedRun.reference(MODEL, FileType.F16, floats);
        assertThat(folder.resolve("floats.gguf")).hasSameBinaryContentAs(floats);
    }

    /** The promise itself: far nearer to the original on text that nothing was fitted to, at the same types and bytes. */
    @Test
    void predictionsOnUnseenTextAreNearerToTheOriginals() throws IOException {
        Path together = folder.resolve("together.gguf");
        Path reference = folder.resolve("reference.gguf");
        try (EvaluatedModel model = EvaluatedModel.open(MODEL)) {
            OutputPlan plan = Quantization.plan(model.source(), FileType.Q4_0, QuantizationOptions.NONE);
            Conversion.run(
                    List.of(new Conversion.Output(plan, reference)),
                    model.source().model().paths(),
                    new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
            run(
                    model,
                    List.of(new Conversion.Output(plan, together)),
                    windows(model, TEXT, 128, 64),
                    CompensatedPlan.Room.USUAL);
            assertThat(Files.size(together)).isEqualTo(Files.size(reference));
            try (EvaluatedModel one = EvaluatedModel.open(reference);
                    EvaluatedModel other = EvaluatedModel.open(together);
                    Forward base = model.forward(128, 2, Forward.DEFAULT_MEMORY);
                    Forward first = one.forward(128, 2, Forward.DEFAULT_MEMORY);
                    Forward second = other.forward(128, 2, Forward.DEFAULT_MEMORY)) {
                Comparison.Result result = Comparison.of(windows(model, UNSEEN, 128, 24), base, List.of(first, second))
                        .run(done -> {});
                double before =
                        result.divergences().get(0).estimates().divergence().value();
                double after =
                        result.divergences().get(1).estimates().divergence().value();
                assertThat(after).isLessThan(0.6 * before);
            }
        }
    }
}
