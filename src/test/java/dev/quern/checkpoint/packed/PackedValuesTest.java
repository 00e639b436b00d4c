package dev.quern.checkpoint.packed;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.io.MappedFile;
import dev.quern.tensor.DType;
import dev.quern.tensor.NativeBlocks;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every packing reads back to the values that its producer's formula gives, bit for bit (scripts/make-packed-fixtures). */
class PackedValuesTest {
    private static final Path FOLDER = Path.of("test-data/packed");

    static List<String> fixtures() throws IOException {
        try (Stream<Path> folders = Files.list(FOLDER)) {
            return folders.filter(folder -> Files.exists(folder.resolve("expected.safetensors")))
                    .map(folder -> folder.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @Test
    void everyPackingHasAFixture() throws IOException {
        assertThat(fixtures()).hasSize(45).contains("gptq-3bit", "awq", "hqq-3bit", "mxfp4", "modelopt-nvfp4");
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void readsToTheProducersValues(String name) {
        Path folder = FOLDER.resolve(name);
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                MappedFile file = MappedFile.open(folder.resolve("expected.safetensors"))) {
            Map<String, TensorSource> expected = SafetensorsFile.read(file).tensors();
            List<String> weights = expected.keySet().stream()
                    .filter(key -> key.endsWith(".weight") || key.endsWith(".bias"))
                    .toList();
            assertThat(checkpoint.tensors().keySet()).containsExactlyInAnyOrderElementsOf(weights);
            assertThat(checkpoint.packing()).isPresent();
            for (String weight : weights) {
                assertSame(checkpoint, weight, Objects.requireNonNull(expected.get(weight)));
            }
        }
    }

    private static void assertSame(Checkpoint checkpoint, String name, TensorSource expected) {
        Shape shape = expected.info().shape();
        TensorSource found = checkpoint.open(name, shape);
        assertThat(found.info().shape()).isEqualTo(shape);
        assertThat(checkpoint.tensors().get(name)).isEqualTo(found.info());
        int rows = (int) shape.rows();
        int length = (int) shape.rowLength();
        float[] right = new float[rows * length];
        expected.readRows(0, rows, right, 0);
        float[] whole = new float[rows * length + 3];
        found.readRows(0, rows, whole, 3);
        assertThat(java.util.Arrays.copyOfRange(whole, 3, whole.length))
                .as("%s, all rows", name)
                .isEqualTo(right);
        Random random = new Random(3);
        for (int i = 0; i < 20; i++) {
            int first = random.nextInt(rows);
            int count = 1 + random.nextInt(rows - first);
            float[] some = new float[count * length];
            found.readRows(first, count, some, 0);
            assertThat(some)
                    .as("%s, %d rows from %d", name, count, first)
                    .isEqualTo(java.util.Arrays.copyOfRange(right, first * length, (first + count) * length));
        }
    }

    /** The bytes that convert_hf_to_gguf.py makes of such tensors. */
    @ParameterizedTest
    @org.junit.jupiter.params.provider.ValueSource(
            strings = {"mxfp4", "compressed-mxfp4", "modelopt-nvfp4", "compressed-nvfp4"})
    void fourBitFloatsAreBlocksOfGguf(String name) {
        Path folder = FOLDER.resolve(name);
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                MappedFile file = MappedFile.open(folder.resolve("expected.safetensors"))) {
            Map<String, TensorSource> expected = SafetensorsFile.read(file).tensors();
            String weight = checkpoint.tensors().firstEntry().getKey();
            Shape shape = checkpoint.tensors().firstEntry().getValue().shape();
            NativeBlocks blocks = checkpoint.open(weight, shape).blocks().orElseThrow();
            assertThat(blocks.encoding()).isEqualTo(name.endsWith("mxfp4") ? "MXFP4" : "NVFP4");
            Stored bytes = (Stored) Objects.requireNonNull(expected.get(weight + ".blocks"));
            int rows = (int) shape.rows();
            int rowBytes = (int) blocks.rowBytes();
            assertThat(bytes.info().dtype()).isEqualTo(DType.F32);
            float[] right = new float[rows * rowBytes];
            bytes.readRows(0, (int) bytes.info().shape().rows(), right, 0);
            byte[] found = new byte[rows * rowBytes + 5];
            blocks.reader().readRows(0, rows, found, 5);
            for (int i = 0; i < right.length; i++) {
                assertThat(found[i + 5] & 0xff).as("byte %d", i).isEqualTo((int) right[i]);
            }
            byte[] last = new byte[rowBytes];
            blocks.reader().readRows(rows - 1, 1, last, 0);
            assertThat(last).isEqualTo(java.util.Arrays.copyOfRange(found, found.length - rowBytes, found.length));
            String stem = weight.substring(0, weight.length() - ".weight".length());
            for (String factor : List.of("scale", "input_scale")) {
                TensorSource value = expected.get(stem + "." + factor);
                float[] one = new float[1];
                if (value != null) {
                    value.readRows(0, 1, one, 0);
                }
                assertThat(blocks.factors().get(factor)).isEqualTo(value == null ? null : one[0]);
            }
        }
    }
}
