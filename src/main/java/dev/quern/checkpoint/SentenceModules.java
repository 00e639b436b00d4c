package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.StrictJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** What sentence-transformers does with a checkpoint and no GGUF can say. */
public final class SentenceModules {
    private static final Path MODULES = Path.of("modules.json");
    private static final Path TRANSFORMER = Path.of("sentence_bert_config.json");
    private static final long MAX_BYTES = 1 << 20;

    /** Ends of class names: these are what a model with a way of pooling is. */
    private static final Set<String> KNOWN = Set.of("Transformer", "Pooling", "Normalize");

    private SentenceModules() {}

    /**
     * Names of the modules behind pooling that change a vector ({@code Dense}); none where the directory has no modules.
     *
     * @throws InputException when the list is damaged
     */
    public static List<String> further(Path directory) {
        Path file = directory.resolve(MODULES);
        return !Files.isRegularFile(file)
                ? List.of()
                : json(file)
                        .valueStream()
                        .map(module -> module.path("type").asString(""))
                        .map(type -> type.substring(type.lastIndexOf('.') + 1))
                        .filter(type -> !type.isEmpty() && !KNOWN.contains(type))
                        .toList();
    }

    /**
     * Tokens of a text at most; empty where nothing is said.
     *
     * @throws InputException when the file is damaged
     */
    public static OptionalInt longestText(Path directory) {
        Path file = directory.resolve(TRANSFORMER);
        JsonNode longest = Files.isRegularFile(file) ? json(file).get("max_seq_length") : null;
        return longest != null && longest.isInt() ? OptionalInt.of(longest.asInt()) : OptionalInt.empty();
    }

    private static JsonNode json(Path file) {
        try (MappedFile mapped = MappedFile.open(file)) {
            return StrictJson.tree(mapped, MAX_BYTES);
        }
    }
}
