package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** A checkpoint whose tensors each lie whole in one of its files: Hugging Face's, and Mistral's with Meta's names. */
final class WholeTensors extends FileCheckpoint {
    private final Layout layout;
    private final Map<String, Weights> home = new LinkedHashMap<>();
    private final SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final SequencedMap<String, String> unreadable = new LinkedHashMap<>();

    /** @param parts in reading order; closed with the checkpoint */
    WholeTensors(Layout layout, Path directory, ModelConfig config, List<Weights> parts, List<String> notes) {
        super(directory, config, parts, notes);
        this.layout = layout;
        parts.forEach(this::add);
    }

    private void add(Weights part) {
        part.tensors().forEach((name, source) -> {
            claim(name, part);
            tensors.put(name, source.info());
        });
        part.unreadable().forEach((name, type) -> {
            claim(name, part);
            unreadable.put(name, type);
        });
    }

    private void claim(String name, Weights part) {
        Weights before = home.putIfAbsent(name, part);
        if (before != null) {
            throw part.refused(name, "is also in " + before.file().path());
        }
    }

    @Override
    public Layout layout() {
        return layout;
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    @Override
    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(unreadable);
    }

    @Override
    public TensorSource open(String name, Shape expected) {
        Weights part = home.get(name);
        if (part == null) {
            throw InputException.of(directory(), "tensor " + Quoted.of(name), "is in none of the weight files");
        }
        TensorSource source = part.tensor(name);
        if (!source.info().shape().equals(expected)) {
            throw part.refused(
                    name,
                    "expected the shape " + expected + ", found "
                            + source.info().shape());
        }
        return source;
    }
}
