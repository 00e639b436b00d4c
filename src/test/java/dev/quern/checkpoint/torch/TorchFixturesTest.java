package dev.quern.checkpoint.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Files that torch 2.13 and 1.13 wrote (scripts/make-torch-fixtures), and the values torch reads from them. */
class TorchFixturesTest {
    private static final Path FILES = Path.of("test-data/torch");
    private static final Path OLD_FILES = Path.of("test-data/torch-1.13");

    static Stream<Path> readable() {
        return Stream.of(FILES, OLD_FILES)
                .flatMap(files -> values(files).propertyNames().stream().map(files::resolve));
    }

    private static JsonNode values(Path files) {
        return new JsonMapper().readTree(files.resolve("values.json").toFile());
    }

    @ParameterizedTest
    @MethodSource("readable")
    void readsWhatTorchReads(Path path) {
        JsonNode expected =
                values(path.resolveSibling("")).get(path.getFileName().toString());
        try (MappedFile file = MappedFile.open(path)) {
            Map<String, TensorSource> found =
                    Hostile.read(() -> TorchFile.read(file)).tensors();
            assertThat(List.copyOf(found.keySet())).isEqualTo(List.copyOf(expected.propertyNames()));
            found.forEach((tensor, source) -> assertSame(tensor, expected.get(tensor), source));
        }
    }

    private static void assertSame(String name, JsonNode expected, TensorSource found) {
        assertThat(found.info().dtype().name())
                .as(name)
                .isEqualTo(expected.get("dtype").stringValue());
        assertThat(found.info().shape()).as(name).hasToString(shape(expected));
        float[] values = new float[(int) found.info().shape().elements()];
        if (values.length > 0) {
            found.readRows(0, (int) found.info().shape().rows(), values, 0);
        }
        JsonNode bits = expected.get("bits");
        assertThat(bits.size()).isEqualTo(values.length);
        for (int i = 0; i < values.length; i++) {
            assertThat(Float.floatToIntBits(values[i]))
                    .as("%s element %s, %s", name, i, values[i])
                    .isEqualTo(bits.get(i).intValue());
        }
    }

    private static String shape(JsonNode expected) {
        return expected.get("shape").toString().replace(",", ", ");
    }

    @Test
    void notesWhatIsOddButNotWrong() {
        assertThat(notes("types.pt")).isEmpty();
        assertThat(notes("repacked.pt")).isEmpty();
        assertThat(notes("no-checksums.pt"))
                .containsExactly("test-data/torch/no-checksums.pt: saved without "
                        + "checksums; if by torch's skip_data(), all weights are zero");
        assertThat(notes("skipped-data.pt"))
                .containsExactly(
                        "test-data/torch/skipped-data.pt: 1 members without a checksum among others that have one");
    }

    private static List<String> notes(String name) {
        try (MappedFile file = MappedFile.open(FILES.resolve(name))) {
            return Hostile.read(() -> TorchFile.read(file)).notes();
        }
    }

    @Test
    void listsTensorsOfTypesItCannotRead() {
        try (MappedFile file = MappedFile.open(FILES.resolve("unreadable-types.pt"))) {
            assertThat(Hostile.read(() -> TorchFile.read(file)).unreadable())
                    .containsExactly(Map.entry("complex", "complex64"), Map.entry("half_complex", "complex32"));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        runs-system.pt|data.pkl byte 178: GLOBAL "posix.system" asks for a function that no checkpoint needs; Quern runs nothing, but torch.load may
        runs-eval.pt|data.pkl byte 2: GLOBAL "__builtin__.eval" asks for a function that no checkpoint needs; Quern runs nothing, but torch.load may
        bare-pickle.pkl|expected safetensors or a file of torch.save, found a file that is a bare pickle, not a file of torch.save
        distributed.distcp|several zip files one after another, as torch.distributed writes its .distcp files
        torchscript.pt|is a TorchScript archive, a program and not a checkpoint
        whole-module.pt|data.pkl byte 2: GLOBAL "torch.nn.modules.linear.Linear" holds an object that is not a tensor: a whole module or a foreign class
        sparse.pt|data.pkl byte 18: GLOBAL "torch._utils._rebuild_sparse_tensor" holds a sparse tensor
        quantized.pt|data.pkl byte 18: GLOBAL "torch._utils._rebuild_qtensor" holds a tensor of torch's own quantization
        meta.pt|data.pkl byte 18: GLOBAL "torch._utils._rebuild_meta_tensor_no_storage" holds a meta tensor, which has no data
        nested.pt|data.pkl byte 18: GLOBAL "torch._utils._rebuild_nested_tensor" holds a nested tensor
        conjugate.pt|data.pkl byte 185: REDUCE calls torch._utils._rebuild_tensor_v2: is a lazy conj view
        negated.pt|data.pkl byte 177: REDUCE calls torch._utils._rebuild_tensor_v2: is a lazy neg view
        numpy-scalar.pt|data.pkl byte 181: GLOBAL "numpy._core.multiarray.scalar" holds a numpy value
        numpy-array.pt|data.pkl byte 18: GLOBAL "numpy._core.multiarray._reconstruct" holds a numpy value
        namespace.pt|data.pkl byte 197: GLOBAL "argparse.Namespace" holds an object that is not a tensor: a whole module or a foreign class
        list-of-tensors.pt|expected a dict of tensors, found a list
        no-tensors.pt|holds no tensors; its keys are ["epoch"]
        """)
    void refusesWhatIsNoCheckpoint(String name, String message) {
        try (MappedFile file = MappedFile.open(FILES.resolve(name))) {
            Hostile.thrownBy(() -> TorchFile.read(file))
                    .isInstanceOf(InputException.class)
                    .hasMessage("test-data/torch/" + name + ": " + message)
                    .satisfies(e -> assertThat(((InputException) e).hint()).isNotNull());
        }
    }
}
