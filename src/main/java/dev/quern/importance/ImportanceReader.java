package dev.quern.importance;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.Region;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** Reads llama-imatrix's files: GGUF, and the .dat that came before it. */
public final class ImportanceReader {
    /** A .dat has one entry for each weight; the largest models have some ten thousand. */
    private static final int MOST_ENTRIES = 1_000_000;

    private static final int LONGEST_NAME = 1024;

    private static final String SUMS = ".in_sum2";
    private static final String COUNTS = ".counts";

    private ImportanceReader() {}

    /** @throws InputException when the file is neither, or damaged, or holds a value that no weight can be */
    public static ImportanceMatrix read(Path path) {
        return GgufFile.isGguf(path) ? readGguf(path) : readLegacy(path);
    }

    private static ImportanceMatrix readGguf(Path path) {
        try (GgufFile file = GgufFile.open(path)) {
            GgufMetadata metadata = file.metadata();
            if (!metadata.text("general.type").equals(java.util.Optional.of("imatrix"))) {
                throw InputException.expected(
                                path,
                                "key \"general.type\"",
                                "\"imatrix\"",
                                metadata.text("general.type").map(Quoted::of).orElse("none"))
                        .withHint("this GGUF is no importance matrix; llama-imatrix and quern imatrix write one");
            }
            LinkedHashMap<String, ImportanceMatrix.Entry> entries = new LinkedHashMap<>();
            SequencedMap<String, TensorSource> tensors = file.graph().asMap();
            for (String name : tensors.keySet()) {
                if (name.endsWith(SUMS)) {
                    String weight = name.substring(0, name.length() - SUMS.length());
                    entries.put(
                            weight,
                            entry(path, weight, source(path, tensors, name), source(path, tensors, weight + COUNTS)));
                } else if (!name.endsWith(COUNTS)) {
                    throw InputException.of(path, "tensor " + Quoted.of(name), "is no part of an importance matrix");
                }
            }
            List<String> datasets = new ArrayList<>();
            if (metadata.get("imatrix.datasets").orElse(null) instanceof GgufValue.Texts texts) {
                for (int i = 0; i < texts.size(); i++) {
                    datasets.add(texts.text(i));
                }
            }
            return new ImportanceMatrix(
                    entries, datasets, metadata.integer("imatrix.chunk_count").orElse(0));
        }
    }

    private static TensorSource source(Path path, SequencedMap<String, TensorSource> tensors, String name) {
        TensorSource source = tensors.get(name);
        if (source == null) {
            throw InputException.of(path, "tensor " + Quoted.of(name), "is missing");
        }
        return source;
    }

    private static ImportanceMatrix.Entry entry(Path path, String weight, TensorSource sums, TensorSource counts) {
        Shape shape = sums.info().shape();
        int columns = Math.toIntExact(shape.rowLength());
        int matrices = Math.toIntExact(shape.rows());
        if (counts.info().shape().elements() != matrices) {
            throw InputException.expected(
                    path,
                    "tensor " + Quoted.of(weight + COUNTS),
                    matrices + " counts",
                    String.valueOf(counts.info().shape().elements()));
        }
        float[] count = new float[matrices];
        counts.readRows(0, Math.toIntExact(counts.info().shape().rows()), count, 0);
        float[][] values = new float[matrices][columns];
        List<Integer> unseen = new ArrayList<>();
        for (int matrix = 0; matrix < matrices; matrix++) {
            if (!Float.isFinite(count[matrix]) || count[matrix] < 0) {
                throw InputException.expected(
                        path,
                        "tensor " + Quoted.of(weight + COUNTS) + ", matrix " + matrix,
                        "a finite count of at least 0",
                        String.valueOf(count[matrix]));
            }
            sums.readRows(matrix, 1, values[matrix], 0);
            if (count[matrix] > 0) {
                for (int column = 0; column < columns; column++) {
                    values[matrix][column] /= count[matrix];
                }
            } else {
                Arrays.fill(values[matrix], 1);
                unseen.add(matrix);
            }
            check(path, weight, values[matrix]);
        }
        return new ImportanceMatrix.Entry(values, unseen);
    }

    private static void check(Path path, String weight, float[] values) {
        for (int column = 0; column < values.length; column++) {
            if (!Float.isFinite(values[column]) || values[column] < 0) {
                throw InputException.expected(
                        path,
                        "entry " + Quoted.of(weight) + ", column " + column,
                        "a finite value of at least 0",
                        String.valueOf(values[column]));
            }
        }
    }

    /**
     * The older form: a number of entries; for each its name, the number of calls, and (sum / count) · calls for every
     * column of every expert in one run; then the number of chunks and the calibration text's name.
     */
    private static ImportanceMatrix readLegacy(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            Cursor in = new Cursor(file.region());
            int count = in.size("number of entries", MOST_ENTRIES);
            if (count == 0) {
                throw InputException.of(path, "is no importance matrix: it has no entries");
            }
            LinkedHashMap<String, ImportanceMatrix.Entry> entries = new LinkedHashMap<>();
            for (int i = 0; i < count; i++) {
                String name = in.text();
                int calls = in.integer();
                int length = in.size("values of " + Quoted.of(name), Integer.MAX_VALUE / Float.BYTES);
                float[] values = in.floats(length);
                for (int column = 0; calls > 0 && column < length; column++) {
                    values[column] /= calls;
                }
                check(path, name, values);
                if (entries.put(name, new ImportanceMatrix.Entry(new float[][] {values}, List.of())) != null) {
                    throw InputException.of(path, "entry " + Quoted.of(name), "stands there twice");
                }
            }
            // Files from before 2024 end here.
            long chunks = in.left() >= 4 ? in.integer() : 0;
            List<String> datasets = in.left() >= 4 ? List.of(in.text()) : List.of();
            return new ImportanceMatrix(entries, datasets, Math.max(0, chunks));
        }
    }

    private static final class Cursor {
        private final Region region;
        private long at;

        Cursor(Region region) {
            this.region = region;
        }

        long left() {
            return region.length() - at;
        }

        int integer() {
            int value = region.i32(at);
            at += 4;
            return value;
        }

        int size(String what, int most) {
            long where = at;
            int value = integer();
            if (value < 0 || value > most) {
                throw InputException.expected(
                                region.file().path(),
                                "byte " + where,
                                what + " between 0 and " + most,
                                String.valueOf(value))
                        .withHint("an importance matrix is a GGUF or a .dat file that llama-imatrix wrote");
            }
            return value;
        }

        String text() {
            int length = size("length of a name", LONGEST_NAME);
            byte[] bytes = region.bytes(at, length);
            at += length;
            return new String(bytes, StandardCharsets.UTF_8);
        }

        float[] floats(int count) {
            // Slicing checks that the bytes are there before the array is made.
            Region values = region.slice(at, 4L * count);
            float[] floats = new float[count];
            for (int i = 0; i < count; i++) {
                floats[i] = Float.intBitsToFloat(values.i32(4L * i));
            }
            at += 4L * count;
            return floats;
        }
    }
}
