package dev.quern.checkpoint;

import dev.quern.checkpoint.ggml.GgmlVersion;
import dev.quern.checkpoint.onnx.OnnxFile;
import dev.quern.checkpoint.safetensors.SafetensorsFile;
import dev.quern.checkpoint.torch.TorchContainer;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * What a weight file holds, without the configuration that says what model it is of.
 *
 * @param kind of file
 * @param tensors in reading order
 * @param unreadable tensors of types that cannot be read: name to the type's own name
 * @param notes what is odd
 */
public record WeightFile(
        Path path, String kind, List<TensorInfo> tensors, Map<String, String> unreadable, List<String> notes) {

    /**
     * Whether a path is a file with no configuration beside it, and not of a format that needs none: alone, it is no
     * checkpoint.
     */
    public static boolean isAlone(Path path) {
        if (!Files.isRegularFile(path)
                || path.toString().endsWith(".json")
                || Stream.of("config.json", "params.json").anyMatch(name -> Files.exists(path.resolveSibling(name)))) {
            return false;
        }
        try (MappedFile file = MappedFile.open(path)) {
            return TorchContainer.of(file) != TorchContainer.GGUF && !GgmlVersion.looksLike(file);
        }
    }

    /**
     * Reads safetensors, a file of torch.save, or ONNX.
     *
     * @throws dev.quern.io.InputException when it is none of these, or damaged
     */
    public static WeightFile read(Path path) {
        if (path.toString().endsWith(".onnx")) {
            try (MappedFile file = MappedFile.open(path);
                    OnnxFile model = OnnxFile.read(file, Checkpoints.directoryOf(path))) {
                return of(path, model.description(), model.tensors(), model.unreadable(), model.notes());
            }
        }
        try (Weights weights = Weights.open(path)) {
            String kind = SafetensorsFile.looksLike(weights.file())
                    ? "safetensors"
                    : "torch.save's, " + TorchContainer.of(weights.file()).what();
            return of(path, kind, weights.tensors(), weights.unreadable(), weights.notes());
        }
    }

    private static WeightFile of(
            Path path,
            String kind,
            SequencedMap<String, TensorSource> tensors,
            SequencedMap<String, String> unreadable,
            List<String> notes) {
        return new WeightFile(
                path,
                kind,
                tensors.values().stream().map(TensorSource::info).toList(),
                Map.copyOf(unreadable),
                List.copyOf(notes));
    }

    /** Values in all tensors. */
    public long parameters() {
        return tensors.stream().mapToLong(tensor -> tensor.shape().elements()).sum();
    }
}
