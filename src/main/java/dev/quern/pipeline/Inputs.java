package dev.quern.pipeline;

import dev.quern.architecture.Model;
import dev.quern.io.FileIdentity;
import dev.quern.io.MappedFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * What a conversion reads.
 *
 * @param paths every file of which no output may take the place
 * @param read those of them that tensors are read from, as they were when they were opened
 * @param how what else decides values and stands neither in the plan nor in those files; any text, to be compared
 */
public record Inputs(List<Path> paths, List<FileIdentity> read, String how) {
    public Inputs {
        paths = List.copyOf(paths);
        read = List.copyOf(read);
    }

    /** @param others files that are inputs too, e.g. an importance matrix */
    public static Inputs of(Model model, Collection<Path> others, String how) {
        List<Path> paths =
                new ArrayList<>(model.files().stream().map(MappedFile::path).toList());
        paths.addAll(others);
        return new Inputs(
                paths, model.files().stream().map(MappedFile::identity).toList(), how);
    }

    /** Files as they are now. */
    public static Inputs of(Collection<Path> paths) {
        return new Inputs(
                List.copyOf(paths), paths.stream().map(FileIdentity::of).toList(), "");
    }

    /** @throws dev.quern.io.InputException naming the first file that was changed or replaced since it was opened */
    void requireUnchanged() {
        read.forEach(FileIdentity::requireUnchanged);
    }
}
