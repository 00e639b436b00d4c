package dev.quern.importance;

import dev.quern.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Mean squared activations by tensor: what quantization weighs each column's error with.
 *
 * @param entries by GGUF tensor name
 * @param datasets the calibration texts, as the file names them
 * @param chunks windows of text that went through the model
 */
public record ImportanceMatrix(SequencedMap<String, Entry> entries, List<String> datasets, long chunks) {
    public ImportanceMatrix {
        entries = java.util.Collections.unmodifiableSequencedMap(new LinkedHashMap<>(entries));
        datasets = List.copyOf(datasets);
    }

    /**
     * One tensor's values.
     *
     * @param values a row for each matrix of the tensor (expert), a value for each input column: mean of x²; all ones
     *     for an expert that saw no token, as the reference has it
     * @param unseen experts that saw no token
     */
    @SuppressWarnings("ArrayRecordComponent")
    public record Entry(float[][] values, List<Integer> unseen) {
        public Entry {
            unseen = List.copyOf(unseen);
        }

        /**
         * The weights of a tensor's columns, one array for each matrix of it: the values, which the older file form
         * keeps in one run for all experts.
         *
         * @return empty when there are not as many values as the shape asks for
         */
        public Optional<float[][]> weights(Shape shape) {
            int matrices = matrices(shape);
            float[][] parts = values;
            if (values.length == 1 && matrices > 1 && values[0].length % matrices == 0) {
                int columns = values[0].length / matrices;
                parts = new float[matrices][];
                for (int i = 0; i < matrices; i++) {
                    parts[i] = Arrays.copyOfRange(values[0], i * columns, (i + 1) * columns);
                }
            }
            return parts.length == matrices && parts[0].length == shape.rowLength()
                    ? Optional.of(parts)
                    : Optional.empty();
        }
    }

    /** How many matrices a tensor consists of: its experts, or one. */
    public static int matrices(Shape shape) {
        return shape.rank() < 3 ? 1 : Math.toIntExact(shape.dim(shape.rank() - 3));
    }

    public Optional<Entry> entry(String tensor) {
        return Optional.ofNullable(entries.get(tensor));
    }

    /**
     * Without the entries that the user does not want.
     *
     * @param included parts of names of which one must occur; none means all
     * @param excluded parts of names of which none may occur
     */
    public ImportanceMatrix filtered(List<String> included, List<String> excluded) {
        LinkedHashMap<String, Entry> kept = new LinkedHashMap<>();
        for (Map.Entry<String, Entry> entry : entries.entrySet()) {
            String name = entry.getKey();
            boolean in = included.isEmpty() || included.stream().anyMatch(name::contains);
            if (in && excluded.stream().noneMatch(name::contains)) {
                kept.put(name, entry.getValue());
            }
        }
        return new ImportanceMatrix(kept, new ArrayList<>(datasets), chunks);
    }
}
