package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.OutputFile;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The plan against bytes written down by hand, and what it refuses to plan. */
class GgufLayoutTest {
    private static GgufLayout.Entry entry(String name, QuantType type, long... dims) {
        return new GgufLayout.Entry(name, type, Shape.of(dims));
    }

    private static GgufLayout plan(GgufLayout.Entry... entries) {
        return GgufLayout.plan(new GgufMetadata(), List.of(entries));
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    @Test
    void headerIsTheFieldsInOrder() {
        GgufMetadata metadata = new GgufMetadata()
                .put("general.architecture", GgufValue.text("llama"))
                .put("a", GgufValue.u16(7))
                .put("b", GgufValue.texts(List.of("x", "")));
        GgufLayout layout =
                GgufLayout.plan(metadata, List.of(entry("w", QuantType.Q8_0, 2, 64), entry("v", QuantType.F32, 3)));
        RawGguf expected = RawGguf.header(2, 3)
                .key("general.architecture", RawGguf.STRING)
                .string("llama")
                .key("a", 2)
                .u8(7)
                .u8(0)
                .array("b", RawGguf.STRING, 2)
                .string("x")
                .string("")
                .tensor("w", 8, 0, 64, 2)
                .tensor("v", RawGguf.F32, 160, 3)
                .pad(32);
        assertThat(bytes(layout.header())).isEqualTo(expected.toBytes());
        assertThat(layout.dataStart()).isEqualTo(expected.size());
        // 136 bytes of blocks and 12 of floats, each padded to 32.
        assertThat(layout.fileSize()).isEqualTo(expected.size() + 160 + 32);
        assertThat(layout.position(layout.tensors().getLast())).isEqualTo(expected.size() + 160);
    }

    @Test
    void alignmentComesFromTheMetadata() {
        GgufMetadata metadata = new GgufMetadata().put("general.alignment", GgufValue.u32(4096));
        GgufLayout layout =
                GgufLayout.plan(metadata, List.of(entry("a", QuantType.F16, 5), entry("b", QuantType.F16, 5)));
        assertThat(layout.dataStart()).isEqualTo(4096);
        assertThat(layout.tensors().getLast().offset()).isEqualTo(4096);
        assertThat(layout.fileSize()).isEqualTo(3 * 4096);
    }

    @Test
    void anAlignmentThatNoReaderTakesIsRefused() {
        for (GgufValue wrong : List.of(
                GgufValue.u32(0), GgufValue.u32(48), GgufValue.u32(1 << 21), GgufValue.u64(32), GgufValue.i32(32))) {
            assertThatThrownBy(() -> GgufLayout.plan(new GgufMetadata().put("general.alignment", wrong), List.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("general.alignment is not a UINT32 power of two up to 1048576: " + wrong);
        }
    }

    @Test
    void whatNoReaderTakesIsNotPlanned() {
        assertThatThrownBy(() -> plan(entry("a", QuantType.F32, 1), entry("a", QuantType.F32, 1)))
                .hasMessage("two tensors are called a");
        assertThatThrownBy(() -> plan(entry("", QuantType.F32, 1)))
                .hasMessage("a tensor's name has 1 to 63 bytes, none of them zero: ");
        assertThatThrownBy(() -> plan(entry("ü".repeat(32), QuantType.F32, 1)))
                .hasMessage("a tensor's name has 1 to 63 bytes, none of them zero: " + "ü".repeat(32));
        assertThatThrownBy(() -> plan(entry("a", QuantType.F32, 1, 1, 1, 1, 1)))
                .hasMessage("a has more than 4 dimensions: [1, 1, 1, 1, 1]");
        assertThatThrownBy(() -> plan(entry("a", QuantType.Q4_K, 2, 300)))
                .hasMessage("a has rows of 300, not whole Q4_K blocks of 256");
        assertThatThrownBy(() -> plan(entry("a", QuantType.F32, 1L << 61)))
                .hasMessage("the file would be larger than 2^63-1 bytes");
        assertThatThrownBy(() -> GgufLayout.plan(new GgufMetadata().put("", GgufValue.u8(1)), List.of()))
                .hasMessage("a key has 1 to 65535 bytes, none of them zero: ");
        assertThatThrownBy(() -> GgufLayout.plan(
                        new GgufMetadata().put("a", new GgufValue.Text(new byte[(64 << 20) + 1])), List.of()))
                .hasMessage("a has more than 67108864 bytes");
    }

    @Test
    void valuesThatDoNotFitTheirTypeDoNotExist() {
        assertThatThrownBy(() -> GgufValue.u8(256)).hasMessage("256 is no UINT8");
        assertThatThrownBy(() -> GgufValue.u32(-1)).hasMessage("-1 is no UINT32");
        assertThatThrownBy(() -> new GgufValue.Int(GgufType.BOOL, 1)).hasMessage("1 is no BOOL");
        assertThatThrownBy(() -> new GgufValue.Ints(GgufType.INT8, new long[] {128}))
                .hasMessage("128 is no INT8");
        assertThatThrownBy(() -> new GgufValue.Real(GgufType.INT8, 1)).hasMessage("INT8 is no floating-point type");
    }

    @Test
    void aTensorThatIsNotWholeIsNeverCommitted(@TempDir Path directory) {
        GgufLayout layout = plan(entry("a", QuantType.F32, 8));
        GgufTensor a = layout.tensors().getFirst();
        Path target = directory.resolve("a.gguf");
        OutputFile output = OutputFile.create(target, layout.fileSize(), List.of(), false);
        try (GgufWriter writer = new GgufWriter(layout, output)) {
            writer.write(a, 0, ByteBuffer.allocate(28));
            assertThatThrownBy(writer::commit)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("a: 28 of 32 bytes written");
            assertThatThrownBy(() -> writer.write(a, 28, ByteBuffer.allocate(8)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("8 bytes from 28 leave the 32 bytes of a");
        }
        assertThat(directory).isEmptyDirectory();
    }
}
