package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Chat templates, by name; the unnamed one is called "default". They are programs for whoever chats with the model:
 * here they are carried byte for byte and never run.
 */
record ChatTemplates(SequencedMap<String, String> byName) {
    static final ChatTemplates NONE = new ChatTemplates(new LinkedHashMap<>());

    /** Far beyond any in use, which have some tens of kilobytes. */
    static final int LARGEST = 1 << 20;

    /**
     * What reaches out of a template in the engines that run them (CVE-2024-34359 used the first three), and characters
     * that do not show or change the order in which text shows.
     */
    private static final Pattern SUSPECT = Pattern.compile(
            "__|\\|\\s*attr\\b|\\battr\\s*\\(|\\b(?:lipsum|cycler|joiner)\\b"
                + "|\\{%[-+]?\\s*(?:import|include|from|extends)\\b|[\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]");

    static final String KEY = "tokenizer.chat_template";
    private static final String NAMES = "tokenizer.chat_templates";

    /** tokenizer_config.json's own, otherwise chat_template.jinja with its companions, otherwise chat_template.json. */
    static ChatTemplates read(HuggingFaceFiles files, ObjectNode config) {
        Path configFile = TokenizerFile.TOKENIZER_CONFIG.in(files.directory());
        if (config.has("chat_template")) {
            return of(configFile, config.path("chat_template"));
        }
        SequencedMap<String, String> found = new LinkedHashMap<>();
        Path jinja = TokenizerFile.CHAT_TEMPLATE.in(files.directory());
        if (Files.isRegularFile(jinja)) {
            put(jinja, found, "default", HuggingFaceFiles.text(jinja, LARGEST));
            for (Path more : files.templates()) {
                String file = String.valueOf(more.getFileName());
                put(more, found, name(file.substring(0, file.lastIndexOf('.'))), HuggingFaceFiles.text(more, LARGEST));
            }
            return new ChatTemplates(found);
        }
        Path json = TokenizerFile.OLDER_CHAT_TEMPLATE.in(files.directory());
        return of(json, JsonFile.read(json).path("chat_template"));
    }

    private static ChatTemplates of(Path file, JsonNode node) {
        SequencedMap<String, String> found = new LinkedHashMap<>();
        if (node.isString()) {
            put(file, found, "default", node.stringValue());
        } else if (node.isArray()) {
            for (JsonNode choice : node) {
                String name = name(choice.path("name").asString(""));
                if (!name.isEmpty() && choice.path("template").isString()) {
                    put(file, found, name, choice.path("template").stringValue());
                }
            }
        } else if (!node.isMissingNode() && !node.isNull()) {
            throw InputException.expected(file, "chat_template", "a string or a list", JsonFile.found(node));
        }
        return new ChatTemplates(found);
    }

    /** Names become parts of keys: all but letters and digits of ASCII is replaced. */
    private static String name(String given) {
        StringBuilder out = new StringBuilder();
        given.codePoints()
                .map(c -> c < 128 && Character.isLetterOrDigit(c) ? c : '_')
                .forEach(out::appendCodePoint);
        return out.toString();
    }

    private static void put(Path file, Map<String, String> found, String name, String template) {
        int size = template.getBytes(StandardCharsets.UTF_8).length;
        if (size > LARGEST) {
            throw InputException.expected(file, "chat template " + name, "at most 1 MiB", size + " bytes");
        }
        if (template.indexOf(0) >= 0) {
            throw InputException.of(file, "chat template " + name, "expected no NUL, at which llama.cpp would cut it");
        }
        found.put(name, template);
    }

    /** One line for each template that holds something a chat has no need of. */
    List<String> warnings() {
        List<String> warnings = new ArrayList<>();
        byName.forEach((name, template) -> {
            Set<String> found = new LinkedHashSet<>();
            SUSPECT.matcher(template).results().forEach(match -> found.add(Quoted.of(match.group())));
            if (!found.isEmpty()) {
                warnings.add("chat template " + name + " holds " + String.join(", ", found)
                        + ", which can make a program that runs it do other things than chat; it is copied as it is");
            }
        });
        return warnings;
    }

    void writeTo(GgufMetadata out) {
        List<String> names = new ArrayList<>();
        byName.forEach((name, template) -> {
            if (!name.equals("default")) {
                names.add(name);
                put(out, KEY + "." + name, template);
            }
        });
        if (!names.isEmpty()) {
            // gguf-py writes them in the order of a Python set, which changes from run to run; here: as they come.
            out.put(NAMES, GgufValue.texts(names));
        }
        if (byName.containsKey("default")) {
            put(out, KEY, byName.getOrDefault("default", ""));
        }
    }

    /** gguf-py leaves out empty strings. */
    private static void put(GgufMetadata out, String key, String template) {
        if (!template.isEmpty()) {
            out.put(key, GgufValue.text(template));
        }
    }
}
