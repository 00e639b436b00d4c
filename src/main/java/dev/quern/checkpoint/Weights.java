package dev.quern.checkpoint;

import dev.quern.checkpoint.onnx.OnnxFile;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.checkpoint.torch.TorchContainer;
import dev.quern.checkpoint.torch.TorchFile;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * One weight file, whatever its format.
 *
 * @param tensors by name, in reading order: sorted for safetensors, as saved for torch
 * @param unreadable tensors of types that cannot be read: name to the type's own name
 * @param checksums reads the whole file and refuses it where a checksum differs
 */
record Weights(
        MappedFile file,
        SequencedMap<String, TensorSource> tensors,
        SequencedMap<String, String> unreadable,
        List<String> notes,
        Runnable checksums)
        implements AutoCloseable {

    /** Opens all files or, when one is refused, none. */
    static List<Weights> open(List<Path> paths) {
        List<Weights> opened = new ArrayList<>();
        try {
            paths.forEach(path -> opened.add(open(path)));
            return List.copyOf(opened);
        } catch (RuntimeException | Error e) {
            opened.forEach(Weights::close);
            throw e;
        }
    }

    /** Decides by the file's bytes; the name only says what a damaged file was meant to be. */
    static Weights open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            TorchContainer container = TorchContainer.of(file);
            boolean damaged = container == TorchContainer.UNKNOWN || container == TorchContainer.EMPTY;
            if (SafetensorsFile.looksLike(file) || damaged && path.toString().endsWith(".safetensors")) {
                SafetensorsFile safetensors = SafetensorsFile.read(file);
                return new Weights(file, safetensors.tensors(), safetensors.unreadable(), List.of(), () -> {});
            }
            TorchFile torch = TorchFile.read(file);
            return new Weights(file, torch.tensors(), torch.unreadable(), torch.notes(), torch::verifyChecksums);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /** An ONNX model, and behind it the files with its external data, which only have to be closed. */
    static List<Weights> onnx(Path path, Path directory) {
        MappedFile file = MappedFile.open(path);
        try {
            OnnxFile model = OnnxFile.read(file, directory);
            List<Weights> opened = new ArrayList<>();
            opened.add(new Weights(file, model.tensors(), model.unreadable(), model.notes(), () -> {}));
            model.externalFiles()
                    .forEach(data ->
                            opened.add(new Weights(data, new TreeMap<>(), new TreeMap<>(), List.of(), () -> {})));
            return List.copyOf(opened);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    boolean holds(String name) {
        return tensors.containsKey(name) || unreadable.containsKey(name);
    }

    /** @throws InputException when the tensor is not there or of a type that cannot be read */
    TensorSource tensor(String name) {
        TensorSource source = tensors.get(name);
        if (source != null) {
            return source;
        }
        String type = unreadable.get(name);
        throw refused(name, type == null ? "is not in this file" : "cannot be read: it is of type " + type);
    }

    InputException refused(String tensor, String problem) {
        return InputException.of(file.path(), "tensor " + Quoted.of(tensor), problem);
    }

    @Override
    public void close() {
        file.close();
    }
}
