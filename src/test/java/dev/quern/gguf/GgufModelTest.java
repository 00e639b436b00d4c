package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Parts of a split model, and the ways in which they can be none: one line each, naming the file. */
class GgufModelTest {
    @TempDir
    Path folder;

    @BeforeEach
    void threeParts() throws IOException {
        write(1, keys(0, 3, 4), "a", "b");
        write(2, keys(1, 3, 4), "c");
        write(3, keys(2, 3, 4), "d");
    }

    private Path part(int number) {
        return folder.resolve("m-0000" + number + "-of-00003.gguf");
    }

    private static GgufMetadata keys(int number, int count, int tensors) {
        return new GgufMetadata()
                .put("general.architecture", GgufValue.text("part " + number))
                .put("split.no", GgufValue.u16(number))
                .put("split.count", GgufValue.u16(count))
                .put("split.tensors.count", GgufValue.i32(tensors));
    }

    private void write(int number, GgufMetadata keys, String... tensors) throws IOException {
        write(part(number), keys, tensors);
    }

    private static void write(Path file, GgufMetadata keys, String... tensors) throws IOException {
        List<GgufLayout.Entry> entries = List.of(tensors).stream()
                .map(name -> new GgufLayout.Entry(name, QuantType.F32, Shape.of(3)))
                .toList();
        GgufLayout layout = GgufLayout.plan(keys, entries);
        byte[] bytes = new byte[(int) layout.fileSize()];
        layout.header().get(bytes, 0, (int) layout.dataStart());
        Files.write(file, bytes);
    }

    private static void refused(Path path, String message) {
        assertThatThrownBy(() -> GgufModel.open(path))
                .isInstanceOf(InputException.class)
                .hasMessage(message);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void anyPartOpensTheModel(int number) {
        try (GgufModel model = GgufModel.open(part(number))) {
            assertThat(model.tensors().keySet()).containsExactly("a", "b", "c", "d");
            assertThat(model.graph().asMap().keySet()).containsExactly("a", "b", "c", "d");
            assertThat(model.names()).containsExactly(List.of("a", "b"), List.of("c"), List.of("d"));
            assertThat(model.metadata().architecture()).isEqualTo("part 0");
            assertThat(model.files()).extracting(file -> file.path()).containsExactly(part(1), part(2), part(3));
        }
    }

    @Test
    void aFileThatSaysItIsTheOnlyPartIsWhole() throws IOException {
        Path file = folder.resolve("whole.gguf");
        write(file, keys(0, 1, 99), "a");
        try (GgufModel model = GgufModel.open(file)) {
            assertThat(model.parts()).hasSize(1);
        }
    }

    @Test
    void missingPart() throws IOException {
        Files.delete(part(2));
        refused(part(1), part(2) + ": part 2 of 3 of m-00001-of-00003.gguf is missing");
        refused(part(3), part(2) + ": part 2 of 3 of m-00003-of-00003.gguf is missing");
    }

    @Test
    void nameOfAnotherForm() throws IOException {
        Path renamed = Files.move(part(2), folder.resolve("second.gguf"));
        refused(
                renamed,
                renamed + ": name of part 2 of 3: expected \"NAME-00002-of-00003.gguf\", found \"second.gguf\"");
    }

    @Test
    void nameOfAnotherPart() throws IOException {
        Path renamed = Files.move(part(2), folder.resolve("m-00003-of-00004.gguf"));
        refused(
                renamed,
                renamed + ": name of part 2 of 3: expected \"m-00002-of-00003.gguf\", found \"m-00003-of-00004.gguf\"");
    }

    @Test
    void numberThatTheNameDoesNotHave() throws IOException {
        write(2, keys(2, 3, 4), "c");
        refused(part(1), part(2) + ": key \"split.no\": expected 1, found 2");
    }

    @Test
    void countThatTheNameDoesNotHave() throws IOException {
        write(3, keys(2, 4, 4), "d");
        refused(part(1), part(3) + ": key \"split.count\": expected 3, found 4");
        write(3, new GgufMetadata().put("general.architecture", GgufValue.text("llama")), "d");
        refused(part(1), part(3) + ": key \"split.count\": expected 3, found 0");
    }

    @Test
    void numbersThatNoPartHas() throws IOException {
        write(1, keys(3, 3, 4), "a", "b");
        refused(part(1), part(1) + ": key \"split.no\": expected a number from 0 to 2, found 3");
        GgufMetadata none = keys(0, 3, 4);
        none.remove("split.no");
        write(1, none, "a", "b");
        refused(part(1), part(1) + ": key \"split.no\": expected a number from 0 to 2, found none");
        write(1, keys(0, 3, 4).put("split.count", GgufValue.u32(70_000)), "a", "b");
        refused(part(1), part(1) + ": key \"split.count\": expected a number from 0 to 65535, found 70000");
        write(1, keys(0, 3, 4).put("split.count", GgufValue.i32(-1)), "a", "b");
        refused(part(1), part(1) + ": key \"split.count\": expected a number from 0 to 65535, found -1");
    }

    @Test
    void tensorInTwoParts() throws IOException {
        write(3, keys(2, 3, 4), "b");
        refused(part(1), part(3) + ": tensor \"b\": is in m-00001-of-00003.gguf too");
    }

    @Test
    void tensorCountThatIsAnother() throws IOException {
        write(1, keys(0, 3, 5), "a", "b");
        refused(part(2), part(1) + ": key \"split.tensors.count\": expected 4 (the tensors of all parts), found 5");
        GgufMetadata none = keys(0, 3, 4);
        none.remove("split.tensors.count");
        write(1, none, "a", "b");
        refused(part(2), part(1) + ": key \"split.tensors.count\": expected 4 (the tensors of all parts), found none");
        write(1, keys(0, 3, 4), "a", "b");
        write(3, keys(2, 3, 7), "d");
        refused(part(2), part(3) + ": key \"split.tensors.count\": expected 4 (the tensors of all parts), found 7");
    }

    @Test
    void partThatIsNoGguf() throws IOException {
        Files.writeString(part(3), "nothing");
        assertThatThrownBy(() -> GgufModel.open(part(1)))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(part(3) + ": ");
    }
}
