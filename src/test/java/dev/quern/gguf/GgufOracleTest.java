package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.io.OutputFile;
import dev.quern.oracle.GgufContents;
import dev.quern.oracle.LlamaCpp;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** W27: what Quern writes and reads, as ggml's own reader sees it. */
class GgufOracleTest {
    @TempDir
    private Path directory;

    private static GgufMetadata everyValue() {
        GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("grüße"));
        Map<GgufType, long[]> integers = new LinkedHashMap<>();
        integers.put(GgufType.UINT8, new long[] {0, 255});
        integers.put(GgufType.INT8, new long[] {-128, 127});
        integers.put(GgufType.UINT16, new long[] {0, 65_535});
        integers.put(GgufType.INT16, new long[] {-32_768, 32_767});
        integers.put(GgufType.UINT32, new long[] {0, 0xffff_ffffL});
        integers.put(GgufType.INT32, new long[] {Integer.MIN_VALUE, Integer.MAX_VALUE});
        integers.put(GgufType.UINT64, new long[] {0, -1});
        integers.put(GgufType.INT64, new long[] {Long.MIN_VALUE, Long.MAX_VALUE});
        integers.forEach((type, values) -> {
            metadata.put("value." + type, new GgufValue.Int(type, values[1]));
            metadata.put("array." + type, new GgufValue.Ints(type, values));
        });
        return metadata.put("value.f32", GgufValue.f32(0.1f))
                .put("array.f32", GgufValue.f32s(-0f, Float.NaN, Float.NEGATIVE_INFINITY))
                .put("value.f64", new GgufValue.Real(GgufType.FLOAT64, 0.1))
                .put("array.f64", new GgufValue.Doubles(new double[] {1e-320, Double.MAX_VALUE}))
                .put("value.bool", GgufValue.bool(true))
                .put("array.bool", new GgufValue.Ints(GgufType.BOOL, new long[] {1, 0}))
                .put("value.text", GgufValue.text(""))
                .put("array.text", GgufValue.texts(List.of("", "🌾", "x")))
                .put("array.empty", new GgufValue.Texts(new byte[0][]));
    }

    /** A tensor of every type that exists: rows of two blocks, two rows, and ranks from 0 to 4. */
    private static List<GgufLayout.Entry> everyTensor() {
        List<GgufLayout.Entry> entries = new ArrayList<>();
        for (QuantType type : QuantType.values()) {
            entries.add(new GgufLayout.Entry("of." + type, type, Shape.of(2, 2L * type.blockLength())));
        }
        entries.add(new GgufLayout.Entry("scalar", QuantType.F32, Shape.of()));
        entries.add(new GgufLayout.Entry("rank 4", QuantType.F16, Shape.of(5, 1, 3, 7)));
        entries.add(new GgufLayout.Entry("empty", QuantType.F32, Shape.of(0, 3)));
        entries.add(new GgufLayout.Entry("n".repeat(63), QuantType.I8, Shape.of(1)));
        return entries;
    }

    private Path written(GgufLayout layout) {
        Path target = directory.resolve("written.gguf");
        OutputFile output = OutputFile.create(target, layout.fileSize(), List.of(), false);
        try (GgufWriter writer = new GgufWriter(layout, output)) {
            for (GgufTensor tensor : layout.tensors()) {
                byte[] bytes = new byte[(int) tensor.bytes()];
                Arrays.fill(bytes, (byte) tensor.name().hashCode());
                writer.write(tensor, 0, ByteBuffer.wrap(bytes));
            }
            return writer.commit();
        }
    }

    @Test
    void whatQuernWritesGgmlReads() {
        LlamaCpp library = LlamaCpp.require();
        GgufLayout layout = GgufLayout.plan(everyValue(), everyTensor());
        assertSame(library, written(layout));
    }

    @Test
    void anotherAlignment() {
        LlamaCpp library = LlamaCpp.require();
        for (int alignment : new int[] {1, 8, 4096}) {
            GgufMetadata metadata = everyValue().put("general.alignment", GgufValue.u32(alignment));
            Path file = written(GgufLayout.plan(metadata, everyTensor()));
            assertSame(library, file);
            assertThat(library.readGguf(file).alignment()).isEqualTo(alignment);
            assertThat(file.toFile().delete()).isTrue();
        }
    }

    @Test
    void whatGgufPyWroteBothReadAlike() {
        LlamaCpp library = LlamaCpp.require();
        for (Path fixture : Fixtures.ALL) {
            assertSame(library, fixture);
        }
    }

    private static void assertSame(LlamaCpp library, Path path) {
        GgufContents reference = library.readGguf(path);
        try (GgufFile file = GgufFile.open(path)) {
            assertThat(file.version()).isEqualTo(reference.version());
            assertThat((long) file.alignment()).isEqualTo(reference.alignment());
            assertThat(file.dataStart()).isEqualTo(reference.dataOffset());
            LinkedHashMap<String, Object> metadata = new LinkedHashMap<>();
            file.metadata().asMap().forEach((key, value) -> metadata.put(key, plain(value)));
            assertThat(metadata).containsExactlyEntriesOf(reference.metadata());
            assertThat(file.tensors().values().stream().map(GgufOracleTest::plain))
                    .containsExactlyElementsOf(reference.tensors());
        }
    }

    private static GgufContents.Tensor plain(GgufTensor tensor) {
        List<Long> shape = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int axis = tensor.shape().rank() - 1 - i;
            shape.add(axis < 0 ? 1 : tensor.shape().dim(axis));
        }
        return new GgufContents.Tensor(tensor.name(), tensor.type().id(), shape, tensor.offset(), tensor.bytes());
    }

    private static Object plain(GgufValue value) {
        return switch (value) {
            case GgufValue.Int number -> sized(number.type(), number.value());
            case GgufValue.Real number when number.type() == GgufType.FLOAT32 -> (float) number.value();
            case GgufValue.Real number -> number.value();
            case GgufValue.Bool bool -> bool.value();
            case GgufValue.Text text -> cString(text.utf8());
            case GgufValue.Ints ints ->
                Arrays.stream(ints.values())
                        .mapToObj(element -> sized(ints.element(), element))
                        .toList();
            case GgufValue.Floats floats -> {
                List<Object> list = new ArrayList<>();
                for (float element : floats.values()) {
                    list.add(element);
                }
                yield list;
            }
            case GgufValue.Doubles doubles ->
                Arrays.stream(doubles.values()).boxed().toList();
            case GgufValue.Texts texts ->
                Arrays.stream(texts.values()).map(GgufOracleTest::cString).toList();
        };
    }

    private static Object sized(GgufType type, long value) {
        if (type == GgufType.BOOL) {
            return value != 0;
        }
        return switch (type.bytes()) {
            case 1 -> (byte) value;
            case 2 -> (short) value;
            case 4 -> (int) value;
            default -> value;
        };
    }

    /** ggml hands strings out as C strings, which end at the first zero byte. */
    private static String cString(byte[] utf8) {
        int length = 0;
        while (length < utf8.length && utf8[length] != 0) {
            length++;
        }
        return new String(utf8, 0, length, StandardCharsets.UTF_8);
    }
}
