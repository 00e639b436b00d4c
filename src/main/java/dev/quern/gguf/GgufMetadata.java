package dev.quern.gguf;

import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SequencedMap;

/**
 * Metadata in file order. Putting a key again keeps its place (as gguf-py does); {@link #putLast} moves it to the end
 * (as llama-quantize does).
 */
public final class GgufMetadata {
    private final LinkedHashMap<String, GgufValue> values = new LinkedHashMap<>();

    public GgufMetadata() {}

    public GgufMetadata(GgufMetadata other) {
        values.putAll(other.values);
    }

    public GgufMetadata put(String key, GgufValue value) {
        values.put(key, value);
        return this;
    }

    public GgufMetadata putLast(String key, GgufValue value) {
        values.putLast(key, value);
        return this;
    }

    public void remove(String key) {
        values.remove(key);
    }

    public SequencedMap<String, GgufValue> asMap() {
        return java.util.Collections.unmodifiableSequencedMap(values);
    }

    public int size() {
        return values.size();
    }

    public Optional<GgufValue> get(String key) {
        return Optional.ofNullable(values.get(key));
    }

    /** The text under a key; empty when it is absent or not a string. */
    public Optional<String> text(String key) {
        return values.get(key) instanceof GgufValue.Text text ? Optional.of(text.text()) : Optional.empty();
    }

    /** The integer under a key, whatever its width; empty when it is absent or no integer. */
    public OptionalLong integer(String key) {
        return values.get(key) instanceof GgufValue.Int number ? OptionalLong.of(number.value()) : OptionalLong.empty();
    }

    public OptionalDouble real(String key) {
        return values.get(key) instanceof GgufValue.Real number
                ? OptionalDouble.of(number.value())
                : OptionalDouble.empty();
    }

    public Optional<Boolean> bool(String key) {
        return values.get(key) instanceof GgufValue.Bool bool ? Optional.of(bool.value()) : Optional.empty();
    }

    /** {@code general.architecture}, or the empty string. */
    public String architecture() {
        return text("general.architecture").orElse("");
    }
}
