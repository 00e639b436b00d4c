package dev.quern.importance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImportanceWriterTest {
    private static final Path RECORDED = Path.of("test-data/golden/imatrix.gguf");

    @TempDir
    Path folder;

    /** llama-imatrix's own file, read and written again. */
    @Test
    void theRecordedFilesBytes() throws IOException {
        Path file = folder.resolve("again.gguf");
        ImportanceWriter.write(
                ImportanceReader.readSums(RECORDED, 1), file, ImportanceWriter.Format.GGUF, List.of(RECORDED));
        assertThat(file).hasSameBinaryContentAs(RECORDED);
    }

    private static ActivationSums experts() {
        ActivationSums sums = new ActivationSums(4);
        sums.add("test", "b.weight", new ActivationSums.Entry(new double[][] {{6, 3}, {0, 0}}, new long[] {3, 0}));
        sums.add("test", "c.weight", new ActivationSums.Entry(new double[][] {{0, 0}}, new long[] {0}));
        sums.add("a.weight", new double[] {9}, 9);
        sums.addDataset("first.txt");
        sums.addDataset("é.txt");
        return sums;
    }

    @Test
    void expertsAndDatasetsComeBack() {
        Path file = folder.resolve("experts.gguf");
        ImportanceWriter.write(experts(), file, ImportanceWriter.Format.GGUF, List.of());
        ActivationSums read = ImportanceReader.readSums(file, 99);
        assertThat(read.window()).isEqualTo(4);
        assertThat(read.chunks()).isEqualTo(2);
        assertThat(read.datasets()).containsExactly("first.txt", "é.txt");
        assertThat(read.entries().keySet()).containsExactly("a.weight", "b.weight", "c.weight");
        ActivationSums.Entry entry =
                java.util.Objects.requireNonNull(read.entries().get("b.weight"));
        assertThat(entry.sums()).isDeepEqualTo(new double[][] {{6, 3}, {0, 0}});
        assertThat(entry.counts()).containsExactly(3, 0);
        assertThat(ImportanceReader.read(file).entry("b.weight").orElseThrow().unseen())
                .containsExactly(1);
    }

    /** The older form by hand: name, calls rounded up, mean times calls; an unseen expert has ones, an unseen weight
     * is left out; the chunks and the last text. */
    @Test
    void theOlderForm() throws IOException {
        Path file = folder.resolve("experts.dat");
        assertThat(ImportanceWriter.Format.of(file)).isEqualTo(ImportanceWriter.Format.DAT);
        ImportanceWriter.write(experts(), file, ImportanceWriter.Format.DAT, List.of());
        ByteBuffer expected = ByteBuffer.allocate(200).order(ByteOrder.LITTLE_ENDIAN);
        expected.putInt(2);
        expected.putInt(8)
                .put("a.weight".getBytes(StandardCharsets.UTF_8))
                .putInt(3)
                .putInt(1);
        expected.putFloat(3);
        expected.putInt(8)
                .put("b.weight".getBytes(StandardCharsets.UTF_8))
                .putInt(1)
                .putInt(4);
        expected.putFloat(2).putFloat(1).putFloat(1).putFloat(1);
        expected.putInt(2);
        expected.putInt(6).put("é.txt".getBytes(StandardCharsets.UTF_8));
        assertThat(Files.readAllBytes(file)).isEqualTo(java.util.Arrays.copyOf(expected.array(), expected.position()));
    }

    @Test
    void theOlderFormComesBackAsSumsOverCalls() {
        Path file = folder.resolve("x.dat");
        ActivationSums sums = new ActivationSums(4);
        sums.add("a.weight", new double[] {24, 8}, 8);
        ImportanceWriter.write(sums, file, ImportanceWriter.Format.DAT, List.of());
        ActivationSums read = ImportanceReader.readSums(file, 4);
        ActivationSums.Entry entry =
                java.util.Objects.requireNonNull(read.entries().get("a.weight"));
        assertThat(entry.sums()).isDeepEqualTo(new double[][] {{24, 8}});
        assertThat(entry.counts()).containsExactly(8);
        assertThat(ImportanceReader.read(file).entry("a.weight").orElseThrow().values())
                .isDeepEqualTo(new float[][] {{3, 1}});
    }

    @Test
    void sumsAddUp() {
        ActivationSums sums = experts();
        sums.add("other", experts());
        ActivationSums.Entry entry =
                java.util.Objects.requireNonNull(sums.entries().get("b.weight"));
        assertThat(entry.sums()).isDeepEqualTo(new double[][] {{12, 6}, {0, 0}});
        assertThat(entry.counts()).containsExactly(6, 0);
        assertThat(sums.chunks()).isEqualTo(4);
        assertThat(sums.datasets()).containsExactly("first.txt", "é.txt", "first.txt", "é.txt");
    }

    @Test
    void anotherModelsSumsDoNotAddUp() {
        ActivationSums other = new ActivationSums(4);
        other.add("a.weight", new double[] {1, 2}, 9);
        assertThatThrownBy(() -> experts().add("other.gguf", other))
                .isInstanceOf(InputException.class)
                .hasMessage("other.gguf: entry \"a.weight\": expected 1 x 1 values, found 1 x 2 values");
    }
}
