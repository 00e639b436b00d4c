package dev.quern.importance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Both forms of llama-imatrix's file: what is read, and each way to be wrong with its message. */
class ImportanceReaderTest {
    @TempDir
    Path folder;

    /** A tensor of an importance file, outermost dimension first. */
    private record Values(long[] shape, float... values) {}

    private static Values of(int rows, int columns, float... values) {
        return new Values(new long[] {rows, columns}, values);
    }

    private Optional<GgufValue> chunkSize = Optional.empty();

    private Path gguf(String type, Map<String, Values> tensors) throws IOException {
        GgufMetadata metadata = new GgufMetadata();
        if (!type.isEmpty()) {
            metadata.put("general.type", GgufValue.text(type));
        }
        metadata.put("imatrix.datasets", GgufValue.texts(List.of("first.txt", "second.txt")))
                .put("imatrix.chunk_count", GgufValue.u32(42));
        chunkSize.ifPresent(value -> metadata.put("imatrix.chunk_size", value));
        List<GgufLayout.Entry> entries = new ArrayList<>();
        tensors.forEach(
                (name, tensor) -> entries.add(new GgufLayout.Entry(name, QuantType.F32, Shape.of(tensor.shape()))));
        GgufLayout layout = GgufLayout.plan(metadata, entries);
        ByteBuffer bytes = ByteBuffer.allocate((int) layout.fileSize()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(layout.header());
        for (GgufTensor tensor : layout.tensors()) {
            bytes.position((int) layout.position(tensor));
            for (float value :
                    java.util.Objects.requireNonNull(tensors.get(tensor.name())).values()) {
                bytes.putFloat(value);
            }
        }
        return Files.write(folder.resolve("imatrix.gguf"), bytes.array());
    }

    private static Map<String, Values> tensors(String name, Values sums, Values counts) {
        Map<String, Values> tensors = new LinkedHashMap<>();
        tensors.put(name + ".in_sum2", sums);
        tensors.put(name + ".counts", counts);
        return tensors;
    }

    private void refused(Path file, String message) {
        assertThatThrownBy(() -> ImportanceReader.read(file))
                .isInstanceOf(InputException.class)
                .hasMessage(file + ": " + message);
    }

    @Test
    void theBundledModelsOwn() {
        ImportanceMatrix matrix = ImportanceReader.read(Path.of("test-data/golden/imatrix.gguf"));
        // Seven matrices in each of four layers; llama-imatrix leaves the output alone unless told otherwise.
        assertThat(matrix.entries()).hasSize(28).containsKey("blk.3.ffn_down.weight");
        assertThat(matrix.entry("blk.3.ffn_down.weight").orElseThrow().values()[0])
                .hasSize(768);
        assertThat(matrix.entry("output.weight")).isEmpty();
        assertThat(matrix.datasets()).hasSize(1);
        assertThat(matrix.chunks()).isPositive();
    }

    @Test
    void sumsAreDividedByCountsAndUnseenExpertsCountAlike() throws IOException {
        Path file = gguf("imatrix", tensors("x.weight", of(3, 2, 8, 4, 0, 0, 3, 1), of(3, 1, 4, 0, 2)));
        ImportanceMatrix matrix = ImportanceReader.read(file);
        ImportanceMatrix.Entry entry = matrix.entry("x.weight").orElseThrow();
        assertThat(entry.values()).isDeepEqualTo(new float[][] {{2, 1}, {1, 1}, {1.5f, 0.5f}});
        assertThat(entry.unseen()).containsExactly(1);
        assertThat(matrix.datasets()).containsExactly("first.txt", "second.txt");
        assertThat(matrix.chunks()).isEqualTo(42);
    }

    @Test
    void anotherGguf() throws IOException {
        refused(gguf("model", Map.of()), "key \"general.type\": expected \"imatrix\", found \"model\"");
        refused(gguf("", Map.of()), "key \"general.type\": expected \"imatrix\", found none");
    }

    @Test
    void countsMissing() throws IOException {
        refused(gguf("imatrix", Map.of("x.weight.in_sum2", of(1, 2, 1, 1))), "tensor \"x.weight.counts\": is missing");
    }

    @Test
    void countsOfAnotherNumber() throws IOException {
        refused(
                gguf("imatrix", tensors("x.weight", of(2, 2, 1, 1, 1, 1), of(3, 1, 1, 1, 1))),
                "tensor \"x.weight.counts\": expected 2 counts, found 3");
    }

    @Test
    void tensorThatIsNoPart() throws IOException {
        refused(
                gguf("imatrix", Map.of("x.weight", of(1, 2, 1, 1))),
                "tensor \"x.weight\": is no part of an importance matrix");
    }

    @Test
    void valuesThatNoWeightCanBe() throws IOException {
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1}) {
            refused(
                    gguf("imatrix", tensors("x.weight", of(1, 2, 1, value), of(1, 1, 1))),
                    "entry \"x.weight\", column 1: expected a finite value of at least 0, found " + value);
            refused(
                    dat(1, "x.weight", 1, new float[] {1, value}),
                    "entry \"x.weight\", column 1: expected a finite value of at least 0, found " + value);
        }
    }

    @Test
    void countsThatNothingCanBeCountedAs() throws IOException {
        for (float count : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1, 2e12f}) {
            refused(
                    gguf("imatrix", tensors("x.weight", of(2, 2, 1, 1, 1, 1), of(2, 1, 3, count))),
                    "tensor \"x.weight.counts\", matrix 1: expected a finite count of at least 0, found " + count);
        }
    }

    @Test
    void chunksThatNoTextCanBeCutInto() throws IOException {
        for (long size : new long[] {0, 1L << 31}) {
            chunkSize = Optional.of(GgufValue.u32(size));
            refused(
                    gguf("imatrix", tensors("x.weight", of(1, 2, 1, 1), of(1, 1, 1))),
                    "key \"imatrix.chunk_size\": expected a number of tokens, found " + size);
        }
    }

    /** Newer files hold the sums of the activations too, which a weight's importance does not need. */
    @Test
    void plainSumsArePassedOver() throws IOException {
        Map<String, Values> tensors = tensors("x.weight", of(1, 2, 6, 2), of(1, 1, 2));
        tensors.put("x.weight.in_sum", of(1, 2, -3, 9));
        ImportanceMatrix matrix = ImportanceReader.read(gguf("imatrix", tensors));
        assertThat(matrix.entries()).containsOnlyKeys("x.weight");
        assertThat(matrix.entry("x.weight").orElseThrow().values()).isDeepEqualTo(new float[][] {{3, 1}});
    }

    private final ByteBuffer legacy = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);

    private void text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        legacy.putInt(bytes.length).put(bytes);
    }

    private void entry(String name, int calls, float... values) {
        text(name);
        legacy.putInt(calls).putInt(values.length);
        for (float value : values) {
            legacy.putFloat(value);
        }
    }

    private Path dat(int count, String name, int calls, float[] values) throws IOException {
        legacy.clear().putInt(count);
        entry(name, calls, values);
        return dat();
    }

    private Path dat() throws IOException {
        return Files.write(folder.resolve("imatrix.dat"), Arrays.copyOf(legacy.array(), legacy.position()));
    }

    @Test
    void olderFile() throws IOException {
        legacy.putInt(2);
        entry("x.weight", 4, 8, 4);
        entry("y.weight", 0, 3);
        legacy.putInt(17);
        text("wiki.train.raw");
        ImportanceMatrix matrix = ImportanceReader.read(dat());
        assertThat(matrix.entry("x.weight").orElseThrow().values()).isDeepEqualTo(new float[][] {{2, 1}});
        assertThat(matrix.entry("y.weight").orElseThrow().values()).isDeepEqualTo(new float[][] {{3}});
        assertThat(matrix.chunks()).isEqualTo(17);
        assertThat(matrix.datasets()).containsExactly("wiki.train.raw");
    }

    @Test
    void oldestFileEndsBehindItsEntries() throws IOException {
        ImportanceMatrix matrix = ImportanceReader.read(dat(1, "x.weight", 1, new float[] {1}));
        assertThat(matrix.chunks()).isZero();
        assertThat(matrix.datasets()).isEmpty();
    }

    @Test
    void olderFileThatIsNone() throws IOException {
        legacy.putInt(0);
        refused(dat(), "is no importance matrix: it has no entries");
        legacy.clear().putInt(-1);
        refused(dat(), "byte 0: expected number of entries between 0 and 1000000, found -1");
        legacy.clear().putInt(1).putInt(2000);
        refused(dat(), "byte 4: expected length of a name between 0 and 1024, found 2000");
    }

    @Test
    void olderFileWithTheSameEntryTwice() throws IOException {
        legacy.putInt(2);
        entry("x.weight", 1, 1);
        entry("x.weight", 1, 1);
        refused(dat(), "entry \"x.weight\": stands there twice");
    }

    /** Every cut through the file but the one behind its entries: an error that names the file, and no more. */
    @Test
    void olderFileCutShort() throws IOException {
        legacy.putInt(1);
        entry("x.weight", 1, 1, 2, 3);
        int whole = legacy.position();
        for (int length = 0; length < whole; length++) {
            Path file = Files.write(folder.resolve("cut.dat"), Arrays.copyOf(legacy.array(), length));
            assertThatThrownBy(() -> ImportanceReader.read(file))
                    .as("%s bytes", length)
                    .isInstanceOf(InputException.class)
                    .hasMessageStartingWith(file + ": ");
        }
    }

    /** A length of 8 GiB in a file of some bytes is refused before anything is allocated. */
    @Test
    void olderFileThatClaimsMoreThanItHas() throws IOException {
        legacy.putInt(1);
        text("x.weight");
        legacy.putInt(1).putInt(Integer.MAX_VALUE / 4);
        Path file = dat();
        assertThatThrownBy(() -> ImportanceReader.read(file))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(file + ": ");
    }

    @Test
    void filters() throws IOException {
        Map<String, Values> all = new LinkedHashMap<>();
        for (String name : List.of("blk.0.attn_q.weight", "blk.0.ffn_up.weight", "blk.1.attn_q.weight")) {
            all.putAll(tensors(name, of(1, 1, 1), of(1, 1, 1)));
        }
        ImportanceMatrix matrix = ImportanceReader.read(gguf("imatrix", all));
        assertThat(matrix.filtered(List.of(), List.of()).entries()).hasSize(3);
        assertThat(matrix.filtered(List.of("attn_q", "blk.1"), List.of())
                        .entries()
                        .keySet())
                .containsExactly("blk.0.attn_q.weight", "blk.1.attn_q.weight");
        assertThat(matrix.filtered(List.of(), List.of("attn_q")).entries().keySet())
                .containsExactly("blk.0.ffn_up.weight");
        assertThat(matrix.filtered(List.of("attn_q"), List.of("blk.1"))
                        .entries()
                        .keySet())
                .containsExactly("blk.0.attn_q.weight");
    }
}
