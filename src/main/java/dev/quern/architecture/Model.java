package dev.quern.architecture;

import dev.quern.gguf.GgufMetadata;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorGraph;
import java.nio.file.Path;
import java.util.List;

/**
 * A model as a GGUF file holds it: metadata in order, and tensors under GGUF's names. It may lie in a GGUF already or be
 * the promise of one over an unconverted checkpoint; who evaluates or quantizes it need not know.
 *
 * @param origin the path the user gave, for messages
 * @param files what to close when nothing reads the tensors any more
 */
public record Model(String origin, GgufMetadata metadata, TensorGraph tensors, List<MappedFile> files)
        implements AutoCloseable {
    public Model {
        files = List.copyOf(files);
    }

    /** Where the weights are read from. */
    public List<Path> paths() {
        return files.stream().map(MappedFile::path).toList();
    }

    @Override
    public void close() {
        files.forEach(MappedFile::close);
    }
}
