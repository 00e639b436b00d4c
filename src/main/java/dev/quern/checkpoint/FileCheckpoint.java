package dev.quern.checkpoint;

import dev.quern.io.MappedFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A checkpoint that is a configuration and weight files; which tensor lies where is for the layouts to say. */
abstract class FileCheckpoint implements Checkpoint {
    private final Path directory;
    private final ModelConfig config;
    private final List<Weights> parts;
    private final List<String> notes;

    /**
     * @param parts in reading order; closed with the checkpoint
     * @param notes on the checkpoint; those on its files follow
     */
    FileCheckpoint(Path directory, ModelConfig config, List<Weights> parts, List<String> notes) {
        this.directory = directory;
        this.config = config;
        this.parts = parts;
        List<String> all = new ArrayList<>(notes);
        parts.forEach(part -> all.addAll(part.notes()));
        this.notes = List.copyOf(all);
    }

    @Override
    public final Path directory() {
        return directory;
    }

    @Override
    public final ModelConfig config() {
        return config;
    }

    @Override
    public final List<MappedFile> files() {
        return parts.stream().map(Weights::file).toList();
    }

    @Override
    public final List<String> notes() {
        return notes;
    }

    @Override
    public final void verifyChecksums() {
        parts.forEach(part -> part.checksums().run());
    }

    @Override
    public final void close() {
        parts.forEach(Weights::close);
    }
}
