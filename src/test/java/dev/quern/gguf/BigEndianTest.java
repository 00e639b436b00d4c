package dev.quern.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.InputException;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** G8: the peer's own conversion to the other byte order (scripts/make-gguf-fixtures) reads as the file it came from. */
class BigEndianTest {
    private static final Path LITTLE = Path.of("test-data/gguf/little-endian.gguf");
    private static final Path BIG = Path.of("test-data/gguf/big-endian.gguf");

    @TempDir
    private Path directory;

    @Test
    void g8MetadataIsTheSame() throws IOException {
        try (GgufFile little = GgufFile.open(LITTLE);
                GgufFile big = GgufFile.open(BIG)) {
            assertThat(little.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
            assertThat(big.order()).isEqualTo(ByteOrder.BIG_ENDIAN);
            assertThat(big.version()).isEqualTo(3);
            assertThat(big.tensors()).isEqualTo(little.tensors());
            assertThat(header(big)).isEqualTo(header(little));
        }
    }

    /** As bytes, because NaNs among the values are not equal to themselves. */
    private static byte[] header(GgufFile file) {
        List<GgufLayout.Entry> entries = file.tensors().values().stream()
                .map(tensor -> new GgufLayout.Entry(tensor.name(), tensor.type(), tensor.shape()))
                .toList();
        java.nio.ByteBuffer header = GgufLayout.plan(file.metadata(), entries).header();
        byte[] bytes = new byte[header.remaining()];
        header.get(bytes);
        return bytes;
    }

    @Test
    void g8RowsAreTheSame() {
        try (GgufFile little = GgufFile.open(LITTLE);
                GgufFile big = GgufFile.open(BIG)) {
            List<TensorSource> expected = new ArrayList<>(little.graph().sources());
            List<TensorSource> found = new ArrayList<>(big.graph().sources());
            assertThat(found).hasSize(18);
            for (int i = 0; i < found.size(); i++) {
                int length = (int) found.get(i).info().shape().rowLength();
                // From the second row on, so that a start that is not the tensor's own is seen.
                float[] theirs = new float[length];
                float[] ours = new float[length];
                expected.get(i).readRows(1, 1, theirs, 0);
                found.get(i).readRows(1, 1, ours, 0);
                assertThat(ours).as(found.get(i).info().name()).containsExactly(theirs);
                assertThat(theirs).as(found.get(i).info().name()).doesNotContain(Float.NaN);
            }
        }
    }

    @Test
    void g8BlocksAreCopiedLittleEndian() {
        try (GgufFile little = GgufFile.open(LITTLE);
                GgufFile big = GgufFile.open(BIG)) {
            List<TensorSource> expected = new ArrayList<>(little.graph().sources());
            List<TensorSource> found = new ArrayList<>(big.graph().sources());
            for (int i = 0; i < found.size(); i++) {
                assertThat(row(found.get(i))).as(found.get(i).info().name()).isEqualTo(row(expected.get(i)));
            }
        }
    }

    private static byte[] row(TensorSource source) {
        byte[] bytes = new byte[4096];
        switch (source) {
            case Stored stored -> stored.copyRows(1, 1, bytes);
            case Dequantized blocks -> blocks.copyRows(1, 1, bytes);
            default -> throw new AssertionError(source);
        }
        return bytes;
    }

    @Test
    void typesWithoutABigEndianForm() throws IOException {
        RawGguf little = RawGguf.header(1, 0).tensor("t", 16, 0, 256).pad(32).zeros(96);
        byte[] turned = bigEndian(little.toBytes());
        Path other = Files.write(directory.resolve("iq.gguf"), turned);
        try (GgufFile opened = GgufFile.open(other)) {
            Hostile.thrownBy(opened::graph)
                    .isInstanceOf(InputException.class)
                    .hasMessage(other + ": tensor \"t\": what IQ2_XXS is in a big-endian file is not defined");
        }
    }

    /** Turns the numbers of a file with one tensor of one dimension and a name of one byte around. */
    private static byte[] bigEndian(byte[] little) {
        byte[] out = little.clone();
        int[] places = {4, 4, 8, 8, 16, 8, 24, 8, 33, 4, 37, 8, 45, 4, 49, 8};
        for (int i = 0; i < places.length; i += 2) {
            for (int b = 0; b < places[i + 1]; b++) {
                out[places[i] + b] = little[places[i] + places[i + 1] - 1 - b];
            }
        }
        return out;
    }

    @Test
    void versionsOfBigEndianFiles() throws IOException {
        for (int version : new int[] {1, 4}) {
            byte[] header = bigEndian(RawGguf.header(version, 0, 0).zeros(64).toBytes());
            Path file = Files.write(directory.resolve("model.gguf"), header);
            Hostile.thrownBy(() -> GgufFile.open(file))
                    .isInstanceOf(InputException.class)
                    .hasMessage(file + ": header at byte 4: expected GGUF version 2 or 3, found " + version);
        }
        byte[] two = bigEndian(RawGguf.header(2, 0, 0).zeros(64).toBytes());
        try (GgufFile file = GgufFile.open(Files.write(directory.resolve("two.gguf"), two))) {
            assertThat(file.version()).isEqualTo(2);
        }
    }
}
