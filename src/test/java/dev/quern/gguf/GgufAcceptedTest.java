package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What looks odd and is taken all the same. */
class GgufAcceptedTest {
    @TempDir
    private Path directory;

    private GgufFile open(RawGguf file) throws IOException {
        Path path = written(file);
        return Hostile.read(() -> GgufFile.open(path));
    }

    private Path written(RawGguf file) throws IOException {
        return Files.write(directory.resolve("odd.gguf"), file.toBytes());
    }

    @Test
    void g6Version2() throws IOException {
        RawGguf raw = RawGguf.header(2, 1, 1)
                .key("a", RawGguf.STRING)
                .string("x")
                .tensor("t", RawGguf.F32, 0, 8)
                .pad(32)
                .zeros(32);
        try (GgufFile file = open(raw)) {
            assertThat(file.version()).isEqualTo(2);
            assertThat(file.metadata().text("a")).hasValue("x");
            assertThat(file.tensor("t")).hasValue(new GgufTensor("t", QuantType.F32, Shape.of(8), 0, 32));
            assertThat(file.warnings()).isEmpty();
        }
    }

    @Test
    void aHeaderAlone() throws IOException {
        try (GgufFile file = open(RawGguf.header(0, 0))) {
            assertThat(file.tensors()).isEmpty();
            assertThat(file.metadata().size()).isZero();
            assertThat(file.warnings()).isEmpty();
        }
    }

    @Test
    void g31Alignment1() throws IOException {
        RawGguf raw = RawGguf.header(2, 1)
                .key("general.alignment", RawGguf.UINT32)
                .u32(1)
                .tensor("a", 24, 0, 3)
                .tensor("b", 24, 3, 5)
                .bytes((byte) 1, (byte) 2, (byte) 3, (byte) 4, (byte) 5, (byte) 6, (byte) 7, (byte) 8);
        try (GgufFile file = open(raw)) {
            assertThat(file.alignment()).isEqualTo(1);
            assertThat(file.region("b").bytes(0, 5)).containsExactly(4, 5, 6, 7, 8);
        }
    }

    @Test
    void largestAlignment() throws IOException {
        int alignment = 1 << 20;
        RawGguf raw = RawGguf.header(1, 1)
                .key("general.alignment", RawGguf.UINT32)
                .u32(alignment)
                .tensor("a", 24, 0, 1)
                .pad(alignment)
                .u8(9);
        try (GgufFile file = open(raw)) {
            assertThat(file.dataStart()).isEqualTo(alignment);
            assertThat(file.region("a").u8(0)).isEqualTo(9);
        }
    }

    @Test
    void g26StringsThatAreNotUtf8() throws IOException {
        RawGguf raw =
                RawGguf.header(0, 1).key("a", RawGguf.STRING).u64(2).u8(0xff).u8(0);
        try (GgufFile file = open(raw)) {
            assertThat(file.metadata().get("a")).hasValue(new GgufValue.Text(new byte[] {-1, 0}));
        }
    }

    @Test
    void g35ScalarG37EmptyTensor() throws IOException {
        RawGguf raw = RawGguf.header(3, 0)
                .tensor("scalar", RawGguf.F32, 0)
                .tensor("empty", 8, 32, 32, 0)
                .tensor("after", RawGguf.F32, 32, 1)
                .pad(32)
                .zeros(64);
        try (GgufFile file = open(raw)) {
            assertThat(file.tensor("scalar").map(GgufTensor::bytes)).hasValue(4L);
            assertThat(file.tensor("empty")).hasValue(new GgufTensor("empty", QuantType.Q8_0, Shape.of(0, 32), 32, 0));
            assertThat(file.tensor("after").map(GgufTensor::offset)).hasValue(32L);
        }
    }

    @Test
    void g50LastTensorWithoutPadding() throws IOException {
        try (GgufFile file =
                open(RawGguf.header(1, 0).tensor("t", RawGguf.F32, 0, 1).pad(32).u32(7))) {
            assertThat(file.region("t").u32(0)).isEqualTo(7);
            assertThat(file.warnings()).isEmpty();
        }
    }

    @Test
    void g51TrailingBytesWithAWarning() throws IOException {
        RawGguf raw = RawGguf.header(1, 0)
                .tensor("t", RawGguf.F32, 0, 1)
                .pad(32)
                .zeros(32)
                .ascii("hidden");
        try (GgufFile file = open(raw)) {
            assertThat(file.warnings())
                    .containsExactly(file.file().path()
                            + ": 6 bytes behind the last tensor, from byte 96 on, belong to nothing");
        }
    }

    @Test
    void g52PaddingThatIsNotZero() throws IOException {
        RawGguf raw = RawGguf.header(1, 0).tensor("t", RawGguf.F32, 0, 1);
        raw.ascii("x".repeat(64 - raw.size())).u32(7).ascii("y".repeat(28));
        try (GgufFile file = open(raw)) {
            assertThat(file.region("t").u32(0)).isEqualTo(7);
        }
    }

    @Test
    void g53NameThatLooksLikeAPath() throws IOException {
        RawGguf raw = RawGguf.header(1, 0)
                .tensor("../../etc/passwd", RawGguf.F32, 0, 8)
                .pad(32)
                .zeros(32);
        try (GgufFile file = open(raw)) {
            assertThat(file.tensors()).containsOnlyKeys("../../etc/passwd");
        }
    }

    /** A name is printed so that it cannot steer a terminal. */
    @Test
    void t32ControlCharactersInANameAreEscapedInMessages() throws IOException {
        RawGguf raw = RawGguf.header(1, 0).tensor("\u001b[2J\u202et", RawGguf.F32, 7, 8);
        Path path = written(raw);
        Hostile.thrownBy(() -> GgufFile.open(path).close())
                .isInstanceOf(InputException.class)
                .hasMessageContaining("tensor \"\\u{1b}[2J\\u{202e}t\" at byte ");
    }

    @Test
    void g58TokenIdsOutsideTheVocabularyWithAWarning() throws IOException {
        RawGguf raw = RawGguf.header(0, 3)
                .array("tokenizer.ggml.tokens", RawGguf.STRING, 1)
                .string("a")
                .key("tokenizer.ggml.bos_token_id", RawGguf.UINT32)
                .u32(0)
                .key("tokenizer.ggml.eos_token_id", RawGguf.UINT32)
                .u32(1);
        try (GgufFile file = open(raw)) {
            assertThat(file.warnings())
                    .containsExactly(file.file().path()
                            + ": key \"tokenizer.ggml.eos_token_id\": token 1 of 1 does not exist; llama.cpp"
                            + " ignores it");
        }
    }

    @Test
    void g59NotANumberKeepsItsBits() throws IOException {
        int signalling = 0x7f80_0001;
        int negativeQuiet = 0xffc1_2345;
        RawGguf raw = RawGguf.header(0, 3)
                .key("a", RawGguf.FLOAT32)
                .u32(signalling)
                .key("b", RawGguf.FLOAT32)
                .u32(negativeQuiet)
                .array("c", RawGguf.FLOAT32, 2)
                .u32(signalling)
                .u32(negativeQuiet);
        try (GgufFile file = open(raw)) {
            GgufLayout layout = GgufLayout.plan(file.metadata(), List.of());
            byte[] header = new byte[(int) layout.fileSize()];
            layout.header().get(header);
            assertThat(header).isEqualTo(raw.toBytes());
        }
    }

    /** A header is copied from the file 64 KiB at a time: everything must come through wherever those end. */
    @Test
    void stringsAndNumbersAroundTheEndsOfWhatIsReadAtOnce() throws IOException {
        int[] lengths = {65_480, 0, 3, 1, 65_536, 65_535, 65_537, 65_528, 65_529, 7, 200_000, 65_527, 13, 131_072, 2};
        RawGguf raw = RawGguf.header(0, 3).array("a", RawGguf.STRING, lengths.length);
        for (int i = 0; i < lengths.length; i++) {
            raw.string(Character.toString('a' + i).repeat(lengths[i]));
        }
        raw.array("b", RawGguf.UINT32, 40_000);
        for (int i = 0; i < 40_000; i++) {
            raw.u32(0x9e37_79b9L * i & 0xffff_ffffL);
        }
        raw.key("c", RawGguf.STRING).string("end");
        try (GgufFile file = open(raw)) {
            assertThat(file.metadata().text("c")).hasValue("end");
            GgufLayout layout = GgufLayout.plan(file.metadata(), List.of());
            byte[] header = new byte[(int) layout.fileSize()];
            layout.header().get(header);
            assertThat(header).isEqualTo(raw.toBytes());
        }
    }

    @Test
    void aPartOfASplitModelAsAPart() throws IOException {
        RawGguf raw = RawGguf.header(0, 1).key("split.count", 2).u8(2).u8(0);
        Path path = Files.write(directory.resolve("part.gguf"), raw.toBytes());
        try (GgufFile file = GgufFile.openPart(path)) {
            assertThat(file.metadata().integer("split.count")).hasValue(2);
        }
    }

    @Test
    void splitCountOf0Or1() throws IOException {
        for (int count = 0; count <= 1; count++) {
            try (GgufFile file =
                    open(RawGguf.header(0, 1).key("split.count", 2).u8(count).u8(0))) {
                assertThat(file.metadata().integer("split.count")).hasValue(count);
            }
        }
    }
}
