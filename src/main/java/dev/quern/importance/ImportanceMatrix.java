package dev.quern.importance;

import java.util.ArrayList;
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
