package dev.quern.checkpoint.lora;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Layout;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** A model of which only config.json is needed: what an adapter's names and shapes mean. */
public record BaseConfiguration(Path directory, ModelConfig config) implements Checkpoint {
    /** @throws InputException when there is no config.json */
    public static BaseConfiguration open(Path directory) {
        Path file = directory.resolve("config.json");
        if (!Files.isRegularFile(file)) {
            throw InputException.of(directory, "no config.json in it")
                    .withHint("--base is the folder of the model that the adapter was trained on");
        }
        return new BaseConfiguration(directory, ModelConfig.read(file));
    }

    @Override
    public Layout layout() {
        return Layout.HUGGING_FACE;
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSequencedMap(new LinkedHashMap<>());
    }

    @Override
    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(new LinkedHashMap<>());
    }

    @Override
    public TensorSource open(String name, Shape expected) {
        throw InputException.of(directory, "tensor " + Quoted.of(name), "only the configuration was read");
    }

    @Override
    public List<MappedFile> files() {
        return List.of();
    }

    @Override
    public List<String> notes() {
        return List.of();
    }

    @Override
    public void verifyChecksums() {
        // No weight is read, so there is nothing to hold against anything.
    }

    @Override
    public void close() {
        // No file is open.
    }
}
