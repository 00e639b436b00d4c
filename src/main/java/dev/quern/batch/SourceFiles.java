package dev.quern.batch;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.pipeline.Source;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The files that a source's outputs depend on. */
final class SourceFiles {
    /** Configuration, vocabulary, model card, chat template: what stands beside tensors and is read with them. */
    private static final List<String> READ_BESIDE = List.of(".json", ".model", ".md", ".jinja", ".txt");

    private SourceFiles() {}

    /** @throws InputException when the directory cannot be listed */
    static List<Path> of(Source source) {
        TreeSet<Path> files = new TreeSet<>();
        source.model().files().stream().map(MappedFile::path).forEach(files::add);
        if (Files.isDirectory(source.path())) {
            try (Stream<Path> listed = Files.list(source.path())) {
                listed.filter(SourceFiles::isReadBeside).forEach(files::add);
            } catch (IOException e) {
                throw InputException.of(source.path(), "cannot be listed: " + e.getMessage())
                        .withCause(e);
            }
        }
        return List.copyOf(files);
    }

    private static boolean isReadBeside(Path file) {
        String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
        return !name.startsWith(".") && READ_BESIDE.stream().anyMatch(name::endsWith) && Files.isRegularFile(file);
    }
}
