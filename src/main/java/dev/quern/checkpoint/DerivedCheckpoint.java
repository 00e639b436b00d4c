package dev.quern.checkpoint;

import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** A checkpoint shown otherwise than it lies in its files; all that a subclass does not say is as beneath. */
public abstract class DerivedCheckpoint implements Checkpoint {
    private final Checkpoint base;

    /** @param base closed with this one */
    protected DerivedCheckpoint(Checkpoint base) {
        this.base = base;
    }

    protected final Checkpoint base() {
        return base;
    }

    @Override
    public Layout layout() {
        return base.layout();
    }

    @Override
    public Optional<String> packing() {
        return base.packing();
    }

    @Override
    public Path directory() {
        return base.directory();
    }

    @Override
    public ModelConfig config() {
        return base.config();
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        return base.tensors();
    }

    @Override
    public SequencedMap<String, String> unreadable() {
        return base.unreadable();
    }

    @Override
    public List<MappedFile> files() {
        return base.files();
    }

    @Override
    public List<String> notes() {
        return base.notes();
    }

    @Override
    public void verifyChecksums() {
        base.verifyChecksums();
    }

    @Override
    public void close() {
        base.close();
    }
}
