package dev.quern.tensor;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;

/** A model's tensors under their output names, in output order: nothing but promises of rows. */
public final class TensorGraph {
    private final LinkedHashMap<String, TensorSource> sources = new LinkedHashMap<>();

    /** @throws IllegalArgumentException when two sources claim one name */
    public void add(TensorSource source) {
        if (sources.putIfAbsent(source.info().name(), source) != null) {
            throw new IllegalArgumentException(
                    "two sources for tensor " + source.info().name());
        }
    }

    public Collection<TensorSource> sources() {
        return sources.values();
    }

    public SequencedMap<String, TensorSource> asMap() {
        return java.util.Collections.unmodifiableSequencedMap(sources);
    }

    public Optional<TensorSource> get(String name) {
        return Optional.ofNullable(sources.get(name));
    }

    public int size() {
        return sources.size();
    }
}
