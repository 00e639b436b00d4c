package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.StrictJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * How an encoder's states become one vector, as sentence-transformers says it beside a checkpoint: {@code modules.json}
 * names the folder of the pooling module, whose {@code config.json} names the way.
 */
public enum SentencePooling {
    MEAN(1, "pooling_mode_mean_tokens", "mean"),
    CLS(2, "pooling_mode_cls_token", "cls"),
    LAST(3, "pooling_mode_lasttoken", "lasttoken");

    private static final String MODULES = "modules.json";
    private static final String CONFIG = "config.json";
    private static final long MAX_BYTES = 1 << 20;

    private final int id;
    private final String flag;
    private final String mode;

    SentencePooling(int id, String flag, String mode) {
        this.id = id;
        this.flag = flag;
        this.mode = mode;
    }

    /** Its number in a GGUF ({@code pooling_type}). */
    public int id() {
        return id;
    }

    /**
     * What the directory says; empty where it has no modules, or none that pools.
     *
     * @throws InputException when a file is damaged or missing, lies elsewhere, or says a way that a GGUF cannot
     */
    public static Optional<SentencePooling> of(Path directory) {
        return module(directory).map(SentencePooling::read);
    }

    /** The files that {@link #of} reads. */
    public static List<Path> files(Path directory) {
        return module(directory)
                .map(config -> List.of(directory.resolve(MODULES), config))
                .orElse(List.of());
    }

    private static Optional<Path> module(Path directory) {
        Path modules = directory.resolve(MODULES);
        if (!Files.isRegularFile(modules)) {
            return Optional.empty();
        }
        JsonNode list = json(modules);
        if (!list.isArray()) {
            throw InputException.of(modules, "expected a list of modules");
        }
        for (JsonNode module : list) {
            if (module.path("type").asString("").endsWith("Pooling")) {
                String name = module.path("path").asString("");
                Path inside = directory.resolve(name).normalize();
                if (name.isEmpty() || !inside.startsWith(directory.normalize())) {
                    throw InputException.of(
                            modules,
                            "path of the pooling module: expected a folder beside this file, found " + Quoted.of(name));
                }
                return Optional.of(inside.resolve(CONFIG));
            }
        }
        return Optional.empty();
    }

    private static SentencePooling read(Path config) {
        JsonNode said = json(config);
        for (SentencePooling pooling : values()) {
            if (said.path(pooling.flag).asBoolean(false)) {
                return pooling;
            }
        }
        for (SentencePooling pooling : values()) {
            if (said.path("pooling_mode").asString("").equals(pooling.mode)) {
                return pooling;
            }
        }
        throw InputException.of(
                config,
                "expected pooling by mean, first token (cls) or last token, found "
                        + said.properties().stream()
                                .filter(field -> field.getKey().startsWith("pooling_mode")
                                        && (field.getValue().isString()
                                                || field.getValue().asBoolean(false)))
                                .map(field -> field.getValue().isString()
                                        ? Quoted.of(field.getValue().asString())
                                        : field.getKey())
                                .findFirst()
                                .orElse("none"));
    }

    private static JsonNode json(Path file) {
        try (MappedFile mapped = MappedFile.open(file)) {
            return StrictJson.tree(mapped, MAX_BYTES);
        }
    }
}
