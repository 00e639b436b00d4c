package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Files of the peer's writer: read for what its script put in, and written again byte for byte. */
class GgufFixtureTest {
    static Stream<Path> fixtures() {
        return Fixtures.ALL.stream();
    }

    static long endOfLastTensor(Path path) {
        try (GgufFile file = GgufFile.open(path)) {
            GgufTensor last = file.tensors().lastEntry().getValue();
            return file.dataStart() + last.offset() + last.bytes();
        }
    }

    private static GgufLayout layoutOf(GgufFile file) {
        List<GgufLayout.Entry> entries = file.tensors().values().stream()
                .map(t -> new GgufLayout.Entry(t.name(), t.type(), t.shape()))
                .toList();
        return GgufLayout.plan(file.metadata(), entries);
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void isRewrittenByteForByte(Path path, @TempDir Path directory) throws IOException {
        Path copy = directory.resolve("copy.gguf");
        try (GgufFile file = GgufFile.open(path)) {
            GgufLayout layout = layoutOf(file);
            assertThat(layout.tensors())
                    .containsExactlyElementsOf(file.tensors().values());
            assertThat(layout.dataStart()).isEqualTo(file.dataStart());
            assertThat(layout.alignment()).isEqualTo(file.alignment());
            OutputFile output = OutputFile.create(copy, layout.fileSize(), List.of(path), false);
            try (GgufWriter writer = new GgufWriter(layout, output)) {
                for (GgufTensor tensor : layout.tensors().reversed()) {
                    byte[] bytes = file.region(tensor.name()).bytes(0, (int) tensor.bytes());
                    writer.write(tensor, 0, ByteBuffer.wrap(bytes));
                }
                writer.commit();
            }
            assertThat(file.warnings()).isEmpty();
        }
        assertThat(copy).hasSameBinaryContentAs(path);
        assertThat(directory).isDirectoryNotContaining(p -> !p.equals(copy));
    }

    @Test
    void everyValueIsWhatTheScriptWrote() {
        try (GgufFile file = GgufFile.open(Fixtures.EVERY_TYPE)) {
            assertThat(file.version()).isEqualTo(3);
            GgufMetadata m = file.metadata();
            assertThat(m.architecture()).isEqualTo("every-type");
            assertThat(m.get("value.uint8")).hasValue(GgufValue.u8(255));
            assertThat(m.get("value.int8")).hasValue(new GgufValue.Int(GgufType.INT8, 127));
            assertThat(m.get("array.int8")).hasValue(new GgufValue.Ints(GgufType.INT8, new long[] {-128, 127}));
            assertThat(m.get("value.uint16")).hasValue(GgufValue.u16(65_535));
            assertThat(m.get("array.int16")).hasValue(new GgufValue.Ints(GgufType.INT16, new long[] {-32_768, 32_767}));
            assertThat(m.get("value.uint32")).hasValue(GgufValue.u32(0xffff_ffffL));
            assertThat(m.get("array.int32")).hasValue(GgufValue.i32s(Integer.MIN_VALUE, Integer.MAX_VALUE));
            assertThat(m.get("value.uint64")).hasValue(GgufValue.u64(-1));
            assertThat(m.get("value.int64")).hasValue(new GgufValue.Int(GgufType.INT64, Long.MAX_VALUE));
            assertThat(m.get("array.float32")).hasValue(GgufValue.f32s(-0f, 1.5f, Float.POSITIVE_INFINITY, Float.NaN));
            assertThat(m.get("array.float64"))
                    .hasValue(new GgufValue.Doubles(new double[] {0.1, -1e300, Double.NEGATIVE_INFINITY, Double.NaN}));
            assertThat(m.bool("value.bool")).hasValue(true);
            assertThat(m.get("array.bool")).hasValue(new GgufValue.Ints(GgufType.BOOL, new long[] {0, 1}));
            assertThat(m.text("value.string")).hasValue("grüße, 世界, 🌾");
            assertThat(m.text("value.string.empty")).hasValue("");
            assertThat(m.get("value.string.not_utf8"))
                    .hasValue(new GgufValue.Text(new byte[] {(byte) 0xff, (byte) 0xfe, (byte) 0x80}));
            assertThat(m.get("array.string"))
                    .hasValue(GgufValue.texts(List.of("", "plain", "grüße, 世界, 🌾", "a\0b", "line\nbreak")));
        }
    }

    @Test
    void everyTensorHasItsTypeAndShape() {
        try (GgufFile file = GgufFile.open(Fixtures.EVERY_TYPE)) {
            assertThat(file.tensors().keySet())
                    .containsExactly(
                            "plain.f32",
                            "plain.f16",
                            "plain.f64",
                            "plain.i8",
                            "plain.i16",
                            "plain.i32",
                            "plain.i64",
                            "blocks.bf16",
                            "blocks.q8_0",
                            "blocks.q4_0",
                            "blocks.q5_1");
            assertThat(file.tensor("plain.f16"))
                    .hasValue(new GgufTensor("plain.f16", QuantType.F16, Shape.of(5, 3), 32, 30));
            assertThat(file.tensor("plain.i8").map(GgufTensor::shape)).hasValue(Shape.of(2, 1, 2, 3));
            assertThat(file.tensor("blocks.q5_1").map(GgufTensor::shape)).hasValue(Shape.of(2, 3, 64));
            assertThat(file.tensor("blocks.q5_1").map(GgufTensor::bytes)).hasValue(2L * 3 * 2 * 24);
        }
    }

    @Test
    void plainTensorsAreRowsOfNumbers() {
        try (GgufFile file = GgufFile.open(Fixtures.ALIGNMENT_64)) {
            assertThat(file.alignment()).isEqualTo(64);
            TensorSource two = file.graph().get("two").orElseThrow();
            assertThat(two.info().dtype()).isEqualTo(DType.F32);
            float[] row = new float[33];
            two.readRows(0, 1, row, 0);
            for (int i = 0; i < row.length; i++) {
                assertThat(row[i]).isEqualTo(i);
            }
        }
    }

    @Test
    void aTypeThatNothingDecodesIsNamed(@TempDir Path directory) throws IOException {
        Path path = directory.resolve("q8_1.gguf");
        int q8One = 9;
        RawGguf raw = RawGguf.header(1, 0).tensor("t", q8One, 0, 32).pad(32).zeros(64);
        Files.write(path, raw.toBytes());
        try (GgufFile file = GgufFile.open(path)) {
            assertThatThrownBy(file::graph)
                    .isInstanceOf(InputException.class)
                    .hasMessage(path + ": tensor \"t\": nothing decodes type Q8_1");
        }
    }

    @Test
    void ggufIsKnownByItsFirstBytes(@TempDir Path directory) throws IOException {
        assertThat(GgufFile.isGguf(Fixtures.NO_TENSORS)).isTrue();
        assertThat(GgufFile.isGguf(directory)).isFalse();
        assertThat(GgufFile.isGguf(directory.resolve("missing"))).isFalse();
        assertThat(GgufFile.isGguf(Files.write(directory.resolve("short"), "GGU".getBytes(StandardCharsets.US_ASCII))))
                .isFalse();
        assertThat(GgufFile.isGguf(Files.write(directory.resolve("other"), "gguf".getBytes(StandardCharsets.US_ASCII))))
                .isFalse();
    }
}
