package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Special token ids, the flags that say which of them to add, and chat templates, found where and in the order in which
 * gguf-py finds them (gguf/vocab.py, SpecialVocab): tokenizer.json's post-processor, then tokenizer_config.json,
 * then config.json. What was found first stays.
 */
final class SpecialVocabulary {
    /** The roles that every vocabulary is searched for. */
    static final List<String> ROLES = List.of("bos", "eos", "unk", "sep", "pad", "cls", "mask");

    private final int size;
    private final Consumer<String> notices;
    private final Map<String, Integer> ids = new LinkedHashMap<>();
    private final Map<String, Boolean> added = new LinkedHashMap<>();
    private final ChatTemplates templates;
    private @Nullable Boolean lowercase;
    private @Nullable Boolean stripAccents;

    /** @param size tokens in the vocabulary; ids beyond it are left out, with a notice */
    SpecialVocabulary(HuggingFaceFiles files, List<String> roles, int size, Consumer<String> notices) {
        this.size = size;
        this.notices = notices;
        ObjectNode config = files.tokenizerConfig().deepCopy();
        List<String> allRoles = new ArrayList<>(roles);
        if (!files.tokenizer().isEmpty()) {
            readNormalizer(files.tokenizer().path("normalizer"));
            PostProcessing.read(files.tokenizer(), config, allRoles, added);
        }
        templates = config.isEmpty() ? ChatTemplates.NONE : ChatTemplates.read(files, config);
        templates.warnings().forEach(notices);
        if (!config.isEmpty()) {
            readTokenizerConfig(files, config, allRoles);
        }
        readConfig(files, allRoles);
    }

    /** Gives a role to a token where the files have not. */
    void assume(String role, int id) {
        set(role, id);
    }

    /** Gives a role to a token whatever the files say. */
    void replace(String role, int id) {
        ids.replace(role, id);
    }

    /** Whether the files give no token a role. */
    boolean isEmpty() {
        return ids.isEmpty();
    }

    void writeTo(GgufMetadata out) {
        ids.forEach((word, id) -> {
            for (SpecialToken role : SpecialToken.values()) {
                if (role.word().equals(word)) {
                    out.put(role.key(), GgufValue.u32(id));
                }
            }
        });
        added.forEach((word, value) -> key(word).ifPresent(key -> out.put(key, GgufValue.bool(value))));
        templates.writeTo(out);
        if (lowercase != null) {
            out.put(Vocabulary.LOWERCASE, GgufValue.bool(lowercase));
        }
        if (stripAccents != null) {
            out.put(Vocabulary.STRIP_ACCENTS, GgufValue.bool(stripAccents));
        }
    }

    private void readNormalizer(JsonNode normalizer) {
        switch (normalizer.path("type").asString("")) {
            case "Lowercase" -> lowercase = true;
            case "StripAccents" -> stripAccents = true;
            case "BertNormalizer" -> {
                lowercase = flag(normalizer.path("lowercase"), lowercase);
                stripAccents = flag(normalizer.path("strip_accents"), stripAccents);
            }
            case "Sequence" -> normalizer.path("normalizers").forEach(this::readNormalizer);
            default -> {
                // Others say nothing of these.
            }
        }
    }

    /** What the file says; null takes it back. */
    private static @Nullable Boolean flag(JsonNode said, @Nullable Boolean before) {
        return said.isMissingNode() ? before : said.isBoolean() ? said.booleanValue() : null;
    }

    private static Optional<String> key(String word) {
        return switch (word) {
            case "bos" -> Optional.of(Vocabulary.ADD_BOS);
            case "eos" -> Optional.of(Vocabulary.ADD_EOS);
            case "sep" -> Optional.of(Vocabulary.ADD_SEP);
            default -> Optional.empty();
        };
    }

    private void readTokenizerConfig(HuggingFaceFiles files, ObjectNode config, List<String> roles) {
        for (String role : roles) {
            JsonNode add = config.path("add_" + role + "_token");
            if (add.isBoolean()) {
                added.put(role, add.booleanValue());
            }
            JsonNode entry = config.path(role + "_token");
            JsonNode content = entry.isString() ? entry : entry.path("content");
            if (!content.isString()) {
                continue;
            }
            for (JsonNode token : files.tokenizer().path("added_tokens")) {
                if (token.path("content").equals(content)) {
                    set(TokenizerFile.TOKENIZER.in(files.directory()), role, token.path("id"));
                    break;
                }
            }
        }
    }

    private void readConfig(HuggingFaceFiles files, List<String> roles) {
        ObjectNode config = files.config();
        for (String role : roles) {
            String key = role + "_token_id";
            JsonNode id = config.path(key);
            boolean absent = id.isMissingNode() || id.isNull();
            set(
                    TokenizerFile.CONFIG.in(files.directory()),
                    role,
                    absent ? config.path("text_config").path(key) : id);
        }
    }

    /** Anything but an integer, such as a list of ids that all end a text, settles nothing. */
    private void set(Path file, String role, JsonNode id) {
        if (!id.isIntegralNumber()) {
            return;
        }
        if (!id.canConvertToInt() || id.intValue() < 0) {
            throw InputException.expected(file, "special token " + role, "an id from 0 to 2147483647", id);
        }
        set(role, id.intValue());
    }

    private void set(String role, int id) {
        if (id >= size) {
            notices.accept(
                    "special token " + role + ": id " + id + " is left out, the vocabulary has " + size + " tokens");
            return;
        }
        ids.putIfAbsent(role, id);
    }
}
