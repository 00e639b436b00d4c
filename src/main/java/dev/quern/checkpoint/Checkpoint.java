package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** A checkpoint on disk, opened: headers and pickles parsed, no weight read. Safe for several threads. */
public interface Checkpoint extends AutoCloseable {
    Layout layout();

    /** How another tool has packed the weights, for people, e.g. "GPTQ (4-bit)"; empty for plain weights. */
    default Optional<String> packing() {
        return Optional.empty();
    }

    /** Where tokenizer files and the model card lie. */
    Path directory();

    ModelConfig config();

    /**
     * Every tensor that can be read, in reading order (the order of the peer's converter). A model-parallel checkpoint
     * shows what its first shard holds: how shards join follows from the shape that is asked of {@link #open}.
     */
    SequencedMap<String, TensorInfo> tensors();

    /**
     * Tensors that are there but of types whose elements Quern does not read, such as F4: name to the type's own name.
     * {@link #open} refuses them by that name.
     */
    SequencedMap<String, String> unreadable();

    /**
     * A tensor as a promise of rows.
     *
     * @param expected the shape that the model's configuration calls for; shards are joined to make it
     * @throws InputException when there is no such tensor, or it has another shape or an unreadable type
     */
    TensorSource open(String name, Shape expected);

    /** Every weight file, in reading order: for hashing, estimates of space, and whoever closes a model. */
    List<MappedFile> files();

    /** What is odd about the files but no reason to refuse them, one line each. */
    List<String> notes();

    /**
     * Reads every weight once and holds it against the checksums its file carries. Opening leaves this out, because it
     * takes as long as reading the model; safetensors files carry no checksums.
     *
     * @throws InputException naming the first part that differs
     */
    void verifyChecksums();

    @Override
    void close();
}
