package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.node.ObjectNode;

/**
 * The files of a checkpoint directory that say something about its tokens. A file that is not there is an empty object.
 *
 * @param tokenizer tokenizer.json without its model
 */
record HuggingFaceFiles(
        Path directory, ObjectNode config, ObjectNode tokenizerConfig, ObjectNode tokenizer, ObjectNode addedTokens) {
    /** More than any model has. */
    private static final int MOST_TEMPLATES = 64;

    static HuggingFaceFiles in(Path directory) {
        return new HuggingFaceFiles(
                directory,
                JsonFile.read(directory.resolve("config.json")),
                JsonFile.read(directory.resolve("tokenizer_config.json")),
                JsonFile.read(directory.resolve("tokenizer.json"), Set.of("model", "decoder")),
                JsonFile.read(directory.resolve("added_tokens.json")));
    }

    /** A whole text file; line ends are kept as they are. */
    static String text(Path file, int most) {
        byte[] bytes;
        try (MappedFile mapped = MappedFile.open(file)) {
            if (mapped.size() > most) {
                throw InputException.of(file, "expected at most " + most + " bytes, found " + mapped.size());
            }
            bytes = mapped.region().bytes(0, (int) mapped.size());
        }
        OptionalInt invalid = Utf8.firstInvalid(bytes);
        if (invalid.isPresent()) {
            throw InputException.of(file, "byte " + invalid.getAsInt(), "expected UTF-8");
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The named chat templates beside chat_template.jinja, by name. */
    List<Path> templates() {
        Path folder = directory.resolve("additional_chat_templates");
        List<Path> found = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.jinja")) {
                for (Path file : files) {
                    found.add(file);
                    if (found.size() > MOST_TEMPLATES) {
                        throw InputException.of(
                                folder, "expected at most " + MOST_TEMPLATES + " templates, found more");
                    }
                }
            } catch (IOException e) {
                throw InputException.of(folder, "cannot be read: " + e.getMessage())
                        .withCause(e);
            }
        }
        found.sort(null);
        return found;
    }
}
