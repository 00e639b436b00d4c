package dev.quern.pipeline;

import static dev.quern.quantization.FileType.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufFile;
import dev.quern.io.RefusedException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Models in several files, read and written, held against the library: whole files. */
class SplitIdentityTest {
    @TempDir
    Path folder;

    /** Layers in the order in which Hugging Face's shards have them, which the rules that count layers notice. */
    private static Fabricated model() {
        Fabricated model = new Fabricated("llama", 12, 4, 1).embeddings();
        for (int layer : new int[] {0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9}) {
            String block = "blk." + layer + ".";
            model.attention(block)
                    .matrix(block + "ffn_down.weight", Fabricated.WIDTH)
                    .matrix(block + "ffn_up.weight", Fabricated.WIDTH);
        }
        return model;
    }

    /** Both write files of the same names with the same bytes. All are removed again. */
    private void sameParts(Path in, FileType type, Request request) throws IOException {
        Path theirs = Files.createDirectory(folder.resolve("theirs"));
        Path ours = Files.createDirectory(folder.resolve("ours"));
        request.keepSplit();
        request.theirs(in, type, theirs.resolve("out"));
        request.ours(in, type, ours.resolve("out.gguf"));
        assertThat(names(ours)).isEqualTo(names(theirs)).isNotEmpty();
        for (String name : names(theirs)) {
            assertThat(ours.resolve(name)).as("%s as %s", name, type).hasSameBinaryContentAs(theirs.resolve(name));
        }
        for (Path written : List.of(theirs, ours)) {
            for (String name : names(written)) {
                Files.delete(written.resolve(name));
            }
            Files.delete(written);
        }
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @ParameterizedTest
    @EnumSource
    void partsAreKept(FileType type) throws IOException {
        Fabricated model = model();
        Path first = model.writeParts(folder, "in", 5, 50, 1, model.size() - 56).getFirst();
        sameParts(first, type, new Request().importance(model.importance()));
    }

    @ParameterizedTest
    @EnumSource
    void partsAreMerged(FileType type) throws IOException {
        Fabricated model = model();
        Path first = model.writeParts(folder, "in", 5, 50, 1, model.size() - 56).getFirst();
        Identity.same(first, type, new Request().importance(model.importance()));
    }

    @Test
    void firstPartWithoutTensors() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        Path first = model.writeParts(folder, "in", 0, 20, model.size() - 20).getFirst();
        sameParts(first, Q4_K_M, new Request());
        Identity.same(first, Q4_K_M, new Request());
    }

    @Test
    void copiesAndOptions() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        Path first = model.writeParts(folder, "in", 7, 20, model.size() - 27).getFirst();
        sameParts(first, F16, new Request().copy());
        Identity.same(first, F16, new Request().copy());
        sameParts(first, Q4_0, new Request().tensor("attn_v", QuantType.Q5_1).output(QuantType.Q8_0));
    }

    /** Layer 2 fills the last part: without it there are two. */
    @Test
    void partsThatPruningEmpties() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        int layer = (model.size() - 3) / 3;
        Path first = model.writeParts(folder, "in", 3 + layer, layer, layer).getFirst();
        sameParts(first, Q4_K_M, new Request().prune(2));
        sameParts(first, Q4_K_M, new Request().prune(0));
    }

    /** The reference numbers the name all the same and writes no keys about parts. */
    @Test
    void wholeModel() throws IOException {
        Path in = Fabricated.llama(2, 4, 4).write(folder.resolve("in.gguf"));
        sameParts(in, Q4_K_M, new Request());
    }

    @Test
    void anyPartStandsForAll() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        List<Path> parts = model.writeParts(folder, "in", 7, 20, model.size() - 27);
        Path whole = folder.resolve("whole.gguf");
        new Request().ours(parts.getFirst(), Q8_0, whole);
        for (Path part : parts) {
            Path out = folder.resolve("of-" + part.getFileName());
            new Request().ours(part, Q8_0, out);
            assertThat(out).hasSameBinaryContentAs(whole);
        }
    }

    private Conversion.Options noticing(Runnable atEnd) {
        Progress progress = new Progress() {
            @Override
            public void begin(String step, long total) {}

            @Override
            public void advance(long amount) {}

            @Override
            public void end() {
                atEnd.run();
            }
        };
        return new Conversion.Options(2, Kernel.SCALAR, false, false, progress);
    }

    /** What the converter splits the library reads: the same model, whole or in parts. */
    @Test
    void splittingTakesNothingAway() throws IOException {
        Path in = Fabricated.llama(3, 4, 4).write(folder.resolve("in.gguf"));
        for (Split split : List.of(new Split(5, 0, false), new Split(0, 9_000, false), new Split(5, 2_500, true))) {
            Path target = Files.createDirectory(folder.resolve("split")).resolve("model.gguf");
            List<Conversion.Written> written;
            try (Source source = Source.open(in)) {
                List<OutputPlan> plans = split.parts(Quantization.copy(source, QuantizationOptions.NONE));
                assertThat(plans).hasSizeGreaterThan(2);
                written = Conversion.run(Split.outputs(plans, target), List.of(in), noticing(() -> {}));
            }
            Path first = written.getFirst().file();
            assertThat(first.getFileName().toString()).startsWith("model-00001-of-");
            Path joined = folder.resolve("joined.gguf");
            Path whole = folder.resolve("whole.gguf");
            new Request().theirs(first, Q4_K_M, joined);
            new Request().theirs(in, Q4_K_M, whole);
            assertThat(joined).hasSameBinaryContentAs(whole);
            for (Conversion.Written part : written) {
                Files.delete(part.file());
            }
            Files.delete(target.getParent());
            Files.delete(joined);
            Files.delete(whole);
        }
    }

    @Test
    void howTensorsAreDivided() throws IOException {
        Path in = new Fabricated("llama", 1, 4, 4)
                .vector("a.weight")
                .vector("b.weight")
                .matrix("c.weight", 2048)
                .vector("d.weight")
                .vector("e.weight")
                .vector("f.weight")
                .write(folder.resolve("in.gguf"));
        try (Source source = Source.open(in)) {
            OutputPlan plan = Quantization.copy(source, QuantizationOptions.NONE);
            assertThat(sizes(new Split(0, 0, false).parts(plan))).containsExactly(6);
            assertThat(sizes(new Split(2, 0, false).parts(plan))).containsExactly(2, 2, 2);
            assertThat(sizes(new Split(4, 0, true).parts(plan))).containsExactly(0, 4, 2);
            // Vectors have 1024 bytes, the matrix 8192, more than a part may have.
            assertThat(sizes(new Split(0, 2048, false).parts(plan))).containsExactly(2, 1, 2, 1);
            assertThat(sizes(new Split(0, 2047, false).parts(plan))).containsExactly(1, 1, 1, 1, 1, 1);
            assertThat(sizes(new Split(1, 1 << 20, true).parts(plan))).containsExactly(0, 1, 1, 1, 1, 1, 1);
            assertThat(sizes(new Split(0, 1 << 20, true).parts(plan))).containsExactly(0, 6);
        }
    }

    private static List<Integer> sizes(List<OutputPlan> plans) {
        return plans.stream().map(plan -> plan.tensors().size()).toList();
    }

    /** The first part is the last to appear; when it cannot, those that were there already go again. */
    @Test
    void allPartsOrNone() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        Path first = model.writeParts(folder, "in", 7, 20, model.size() - 27).getFirst();
        Path out = Files.createDirectory(folder.resolve("out"));
        try (Source source = Source.open(first)) {
            List<Conversion.Output> outputs = Split.numberedOutputs(
                    Quantization.planParts(source, Q8_0, QuantizationOptions.NONE), out.resolve("m.gguf"));
            Path target = outputs.getFirst().target();
            assertThatThrownBy(() -> Conversion.run(outputs, List.of(first), noticing(() -> {
                        try {
                            Files.writeString(target, "somebody else's");
                        } catch (IOException e) {
                            throw new java.io.UncheckedIOException(e);
                        }
                    })))
                    .isInstanceOf(RefusedException.class)
                    .hasMessage(target + ": already exists");
            assertThat(names(out)).containsExactly("m-00001-of-00003.gguf");
            assertThat(target).hasContent("somebody else's");
        }
    }

    @Test
    void metadataOfTheParts() throws IOException {
        Fabricated model = Fabricated.llama(3, 4, 4);
        Path first = model.writeParts(folder, "in", 7, 20, model.size() - 27).getFirst();
        new Request().keepSplit().ours(first, Q8_0, folder.resolve("out"));
        try (GgufFile second = GgufFile.openPart(folder.resolve("out-00002-of-00003.gguf"))) {
            assertThat(second.metadata().asMap().keySet())
                    .containsExactly("split.no", "split.count", "split.tensors.count");
            assertThat(second.tensors()).hasSize(20);
        }
    }
}
