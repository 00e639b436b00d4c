package dev.quern.pipeline;

import dev.quern.checkpoint.SentencePooling;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.tokenizer.TokenizerFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The files that a source's outputs depend on. */
public final class SourceFiles {
    /**
     * Configuration and model card: what stands beside tensors and is read with them, as the files of its tokenizer are.
     * By name, since a directory may hold outputs, reports and data sets too.
     */
    private static final Set<String> READ_BESIDE = Set.of(
            "README.md",
            "adapter_config.json",
            "config.json",
            "generation_config.json",
            "hf_quant_config.json",
            "params.json",
            "quant_config.json",
            "quantize_config.json");

    private SourceFiles() {}

    /**
     * Files of tensors and those beside them, by path.
     *
     * @throws InputException when a directory cannot be listed
     */
    public static List<Path> of(Source source) {
        TreeSet<Path> files = new TreeSet<>(beside(source));
        source.model().files().stream().map(MappedFile::path).forEach(files::add);
        return List.copyOf(files);
    }

    /**
     * The files that are read beside those of tensors; none for a GGUF, which holds everything.
     *
     * @throws InputException when a directory cannot be listed
     */
    public static List<Path> beside(Source source) {
        TreeSet<Path> files = new TreeSet<>();
        if (source.general().isEmpty()) {
            return List.of();
        }
        Set<Path> directories = new TreeSet<>();
        for (MappedFile file : source.model().files()) {
            Path directory = file.path().getParent();
            directories.add(directory == null ? Path.of("") : directory);
        }
        if (Files.isDirectory(source.path())) {
            directories.add(source.path());
        }
        for (Path directory : directories) {
            try (Stream<Path> listed = Files.list(directory)) {
                listed.filter(SourceFiles::isReadBeside).forEach(files::add);
            } catch (IOException e) {
                throw InputException.of(directory, "cannot be listed: " + e.getMessage())
                        .withCause(e);
            }
            files.addAll(TokenizerFile.all(directory));
            files.addAll(SentencePooling.files(directory));
        }
        return List.copyOf(files);
    }

    private static boolean isReadBeside(Path file) {
        String name = String.valueOf(file.getFileName());
        return (READ_BESIDE.contains(name) || name.endsWith(".index.json")) && Files.isRegularFile(file);
    }
}
