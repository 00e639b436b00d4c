package dev.quern.importance;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.gguf.GgufWriter;
import dev.quern.io.OutputFile;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Writes llama-imatrix's files, byte for byte as it writes the same sums. A file that exists is replaced whole. */
public final class ImportanceWriter {
    /** What a file looks like. */
    public enum Format {
        GGUF,
        /** The form from before 2025: means times chunks, without the experts' own counts. */
        DAT;

        /** DAT for a name that ends so, GGUF for all others. */
        public static Format of(Path file) {
            return file.toString().toLowerCase(Locale.ROOT).endsWith(".dat") ? DAT : GGUF;
        }
    }

    private ImportanceWriter() {}

    /**
     * @param inputs files that are being read: none of them may be the target
     * @throws dev.quern.io.OutputException in the system's words
     * @throws dev.quern.io.RefusedException when the target cannot be written
     */
    public static void write(ActivationSums sums, Path target, Format format, List<Path> inputs) {
        switch (format) {
            case GGUF -> writeGguf(sums, target, inputs);
            case DAT -> writeLegacy(sums, target, inputs);
        }
    }

    private static void writeGguf(ActivationSums sums, Path target, List<Path> inputs) {
        GgufMetadata metadata = new GgufMetadata()
                .put("general.type", GgufValue.text("imatrix"))
                .put("imatrix.datasets", GgufValue.texts(sums.datasets()))
                .put("imatrix.chunk_count", GgufValue.u32(sums.chunks()))
                .put("imatrix.chunk_size", GgufValue.u32(sums.window()));
        List<GgufLayout.Entry> entries = new ArrayList<>();
        sums.entries().forEach((name, entry) -> {
            int matrices = entry.sums().length;
            entries.add(new GgufLayout.Entry(
                    name + ImportanceReader.SUMS, QuantType.F32, shape(matrices, entry.columns())));
            entries.add(new GgufLayout.Entry(name + ImportanceReader.COUNTS, QuantType.F32, shape(matrices, 1)));
        });
        GgufLayout layout = GgufLayout.plan(metadata, entries);
        try (GgufWriter writer = new GgufWriter(layout, OutputFile.create(target, layout.fileSize(), inputs, true))) {
            List<GgufTensor> tensors = layout.tensors();
            int at = 0;
            for (ActivationSums.Entry entry : sums.entries().values()) {
                int matrices = entry.sums().length;
                ByteBuffer values = floats((long) matrices * entry.columns());
                Arrays.stream(entry.sums())
                        .flatMapToDouble(Arrays::stream)
                        .forEach(sum -> values.putFloat((float) sum));
                writer.write(tensors.get(at++), 0, values.flip());
                ByteBuffer counts = floats(matrices);
                Arrays.stream(entry.counts()).forEach(counts::putFloat);
                writer.write(tensors.get(at++), 0, counts.flip());
            }
            writer.commit();
        }
    }

    /** ggml's files have no trailing dimensions of one. */
    private static Shape shape(int matrices, int columns) {
        return matrices == 1 ? Shape.of(columns) : Shape.of(matrices, columns);
    }

    private static ByteBuffer floats(long count) {
        return ByteBuffer.allocate(Math.toIntExact(Float.BYTES * count)).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void writeLegacy(ActivationSums sums, Path target, List<Path> inputs) {
        // Weights of which no matrix saw a token are left out.
        List<String> names = sums.entries().entrySet().stream()
                .filter(entry -> Arrays.stream(entry.getValue().counts()).anyMatch(count -> count > 0))
                .map(java.util.Map.Entry::getKey)
                .toList();
        byte[] dataset = (sums.datasets().isEmpty() ? "" : sums.datasets().getLast()).getBytes(StandardCharsets.UTF_8);
        long size = 4L + 8 + dataset.length;
        for (String name : names) {
            ActivationSums.Entry entry = entry(sums, name);
            size += 12 + name.getBytes(StandardCharsets.UTF_8).length + 4L * entry.sums().length * entry.columns();
        }
        ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(size)).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(names.size());
        for (String name : names) {
            put(out, name, entry(sums, name), sums.window());
        }
        out.putInt(Math.toIntExact(sums.chunks()));
        out.putInt(dataset.length).put(dataset);
        try (OutputFile file = OutputFile.create(target, size, inputs, true)) {
            file.write(out.flip(), 0);
            file.commit();
        }
    }

    private static ActivationSums.Entry entry(ActivationSums sums, String name) {
        return java.util.Objects.requireNonNull(sums.entries().get(name));
    }

    private static void put(ByteBuffer out, String name, ActivationSums.Entry entry, int window) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        long most = Arrays.stream(entry.counts()).max().orElseThrow();
        int calls = Math.toIntExact(Math.ceilDiv(most, window));
        out.putInt(bytes.length).put(bytes).putInt(calls).putInt(entry.sums().length * entry.columns());
        for (int matrix = 0; matrix < entry.sums().length; matrix++) {
            for (double sum : entry.sums()[matrix]) {
                long count = entry.counts()[matrix];
                // An expert that saw no token counts as one that saw a one.
                out.putFloat(count == 0 ? calls : (float) sum / count * calls);
            }
        }
    }
}
