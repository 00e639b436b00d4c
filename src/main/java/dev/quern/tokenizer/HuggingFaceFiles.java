package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
                JsonFile.read(TokenizerFile.CONFIG.in(directory)),
                JsonFile.read(TokenizerFile.TOKENIZER_CONFIG.in(directory)),
                JsonFile.read(TokenizerFile.TOKENIZER.in(directory), Set.of("model", "decoder")),
                JsonFile.read(TokenizerFile.ADDED_TOKENS.in(directory)));
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
        List<Path> found = TokenizerFile.templates(directory);
        if (found.size() > MOST_TEMPLATES) {
            throw InputException.of(
                    directory.resolve(TokenizerFile.MORE_TEMPLATES),
                    "expected at most " + MOST_TEMPLATES + " templates, found more");
        }
        return found;
    }
}
