package dev.quern.architecture;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.JsonTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;

/**
 * The {@code general.*} keys: who made the model, what it is called, what it came from. Sources in falling order of
 * weight: the command line, a metadata file, the model card, config.json's {@code _name_or_path}, the folder's name (as
 * gguf-py's {@code Metadata.load} has it).
 */
public final class GeneralMetadata {
    /** Keys that are plain texts, in the order they are written; sampling keys and lists stand around them. */
    private static final List<String> TEXTS = List.of(
            "name",
            "author",
            "version",
            "organization",
            "finetune",
            "basename",
            "description",
            "quantized_by",
            "size_label",
            "license",
            "license.name",
            "license.link",
            "url",
            "doi",
            "uuid",
            "repo_url",
            "source.url",
            "source.doi",
            "source.uuid",
            "source.repo_url");

    private static final List<String> ENTRY_FIELDS =
            List.of("name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url");

    private static final Map<String, Boolean> SAMPLING = samplingKeys();

    private static final Pattern HUB_URL = Pattern.compile("https?://huggingface.co/([^/]+/[^/]+)$");

    private final Map<String, String> texts = new LinkedHashMap<>();
    private final Map<String, JsonNode> sampling = new LinkedHashMap<>();
    private @Nullable List<Map<String, String>> baseModels;
    private @Nullable List<Map<String, String>> datasets;
    private @Nullable List<String> tags;
    private @Nullable List<String> languages;

    private GeneralMetadata() {}

    /** Sampling parameters of generation_config.json that are carried; true for the integers. */
    private static Map<String, Boolean> samplingKeys() {
        Map<String, Boolean> keys = new LinkedHashMap<>();
        keys.put("sequence", false);
        keys.put("top_k", true);
        keys.put("top_p", false);
        keys.put("min_p", false);
        keys.put("xtc_probability", false);
        keys.put("xtc_threshold", false);
        keys.put("temp", false);
        keys.put("penalty_last_n", true);
        keys.put("penalty_repeat", false);
        keys.put("mirostat", true);
        keys.put("mirostat_tau", false);
        keys.put("mirostat_eta", false);
        return keys;
    }

    /**
     * @param directory the checkpoint's folder
     * @param nameOrPath config.json's {@code _name_or_path}
     * @param count the model's parameters
     * @param overrides a JSON object of GGUF keys (the peer's {@code --metadata}), or null
     * @param name the name the user gave, or null
     */
    public static GeneralMetadata read(
            Path directory,
            Optional<String> nameOrPath,
            ParameterCount count,
            @Nullable Path overrides,
            @Nullable String name) {
        GeneralMetadata general = new GeneralMetadata();
        long parameters = count.total();
        general.fromCard(ModelCard.read(directory), parameters);
        nameOrPath
                .filter(id -> id.chars().filter(c -> c == '/').count() <= 1)
                .ifPresent(id -> general.fromName(ModelName.of(id, parameters)));
        Path folder = directory.toAbsolutePath().normalize().getFileName();
        if (folder != null) {
            general.fromName(ModelName.of(folder.toString(), parameters));
        }
        general.fromGenerationConfig(directory.resolve("generation_config.json"));
        if (overrides != null) {
            general.fromOverrides(overrides);
        }
        if (name != null) {
            general.texts.put("name", name);
        }
        if (parameters > 0) {
            general.texts.putIfAbsent("size_label", count.label());
        }
        return general;
    }

    private void fromCard(ModelCard card, long parameters) {
        text(card, "name", "name", "model_name");
        text(card, "author", "author", "model_author", "model_creator");
        text(card, "version", "version", "model_version");
        text(card, "organization", "organization", "model_organization");
        text(card, "description", "description", "model_description");
        text(card, "finetune", "finetune", "model_finetune");
        text(card, "basename", "basename", "model_basename", "model_type");
        text(card, "size_label", "size_label", "model_size_label");
        text(card, "source.url", "url", "model_url");
        text(card, "source.doi", "doi", "model_doi");
        text(card, "source.uuid", "uuid", "model_uuid");
        text(card, "source.repo_url", "repo_url", "model_repo_url");
        String licenses = String.join(",", card.texts("license"));
        if (!licenses.isEmpty()) {
            texts.put("license", licenses);
        }
        text(card, "license.name", "license_name");
        text(card, "license.link", "license_link");
        baseModels = entries(card, parameters, "base_model", "base_models", "base_model_sources");
        datasets = entries(card, parameters, "datasets", "dataset", "dataset_sources");
        tags = lists(card, "tags", "pipeline_tag");
        languages = lists(card, "languages", "language");
    }

    private void text(ModelCard card, String key, String... cardKeys) {
        card.text(cardKeys).ifPresent(value -> texts.put(key, value));
    }

    private static @Nullable List<String> lists(ModelCard card, String... keys) {
        List<String> all = new ArrayList<>();
        for (String key : keys) {
            all.addAll(card.texts(key));
        }
        return all.isEmpty() ? null : all;
    }

    private static @Nullable List<Map<String, String>> entries(ModelCard card, long parameters, String... keys) {
        for (String key : keys) {
            JsonNode node = card.yaml().get(key);
            if (node == null) {
                continue;
            }
            List<Map<String, String>> entries = new ArrayList<>();
            for (JsonNode element : node.isArray() ? node.values() : List.of(node)) {
                if (element.isObject()) {
                    Map<String, String> entry = new LinkedHashMap<>();
                    element.properties()
                            .forEach(field ->
                                    entry.put(field.getKey(), field.getValue().asString()));
                    entries.add(entry);
                } else if (element.isString()) {
                    entries.add(entry(element.asString(), parameters));
                }
            }
            return entries;
        }
        return null;
    }

    /** An id such as org/name, or the address of a repository. */
    private static Map<String, String> entry(String id, long parameters) {
        Map<String, String> entry = new LinkedHashMap<>();
        String hubId = id;
        boolean url = id.startsWith("http://") || id.startsWith("https://") || id.startsWith("ssh://");
        if (url) {
            entry.put("repo_url", id);
            Matcher matcher = HUB_URL.matcher(id);
            if (!matcher.lookingAt()) {
                return entry;
            }
            hubId = matcher.group(1);
        }
        ModelName name = ModelName.of(hubId, parameters);
        entry.put("name", ModelName.title(name.fullName()));
        name.organization().ifPresent(organization -> entry.put("organization", ModelName.title(organization)));
        name.version().ifPresent(version -> entry.put("version", version));
        if (!url) {
            name.organization()
                    .ifPresent(organization ->
                            entry.put("repo_url", "https://huggingface.co/" + organization + "/" + name.fullName()));
        }
        return entry;
    }

    private void fromName(ModelName name) {
        texts.putIfAbsent("name", ModelName.title(name.fullName()));
        name.organization().ifPresent(value -> texts.putIfAbsent("organization", ModelName.title(value)));
        name.basename().ifPresent(value -> texts.putIfAbsent("basename", value));
        name.finetune().ifPresent(value -> texts.putIfAbsent("finetune", value));
        name.version().ifPresent(value -> texts.putIfAbsent("version", value));
        name.sizeLabel().ifPresent(value -> texts.putIfAbsent("size_label", value));
    }

    private void fromGenerationConfig(Path file) {
        if (!Files.isRegularFile(file)) {
            return;
        }
        JsonNode config;
        try {
            config = object(file);
        } catch (InputException e) {
            return; // Many published ones are malformed, and nothing here is needed: the peer passes over them too.
        }
        for (String key : SAMPLING.keySet()) {
            JsonNode value = config.get(key.equals("temp") ? "temperature" : key);
            if (value != null && !value.isNull()) {
                sampling.put(key, value);
            }
        }
    }

    private void fromOverrides(Path file) {
        JsonNode overrides = object(file);
        overrides.properties().forEach(field -> {
            String key = field.getKey();
            JsonNode value = field.getValue();
            String rest = key.startsWith("general.") ? key.substring("general.".length()) : "";
            if (key.startsWith("general.sampling.") && SAMPLING.containsKey(key.substring(17))) {
                sampling.put(key.substring(17), value);
            } else if (TEXTS.contains(rest) && value.isString()) {
                texts.put(rest, value.asString());
            } else if (rest.equals("base_models") || rest.equals("datasets")) {
                List<Map<String, String>> entries = new ArrayList<>();
                value.forEach(element -> {
                    Map<String, String> entry = new LinkedHashMap<>();
                    element.properties()
                            .forEach(f -> entry.put(f.getKey(), f.getValue().asString()));
                    entries.add(entry);
                });
                if (rest.equals("datasets")) {
                    datasets = entries;
                } else {
                    baseModels = entries;
                }
            } else if ((rest.equals("tags") || rest.equals("languages")) && value.isArray()) {
                List<String> list = new ArrayList<>();
                value.forEach(element -> list.add(element.asString()));
                if (rest.equals("tags")) {
                    tags = list;
                } else {
                    languages = list;
                }
            } else {
                throw InputException.of(
                                file, dev.quern.io.Quoted.of(key), "is not a general key that can be set this way")
                        .withHint(
                                "keys are written as in GGUF, e.g. general.name, general.author, general.license.link");
            }
        });
    }

    private static JsonNode object(Path file) {
        try {
            JsonNode node =
                    JsonTree.whole(new JsonFactory().createParser(ObjectReadContext.empty(), Files.readString(file)));
            return node.isObject() ? node : JsonNodeFactory.instance.objectNode();
        } catch (JacksonException e) {
            throw InputException.of(file, "is not JSON: " + e.getOriginalMessage())
                    .withCause(e);
        } catch (IOException e) {
            throw InputException.of(file, "cannot be read: " + e.getMessage()).withCause(e);
        }
    }

    /** Appends the keys in gguf-py's order. Empty texts and empty lists are left out, as there. */
    public void writeTo(GgufMetadata out) {
        SAMPLING.forEach((key, integer) -> {
            JsonNode value = sampling.get(key);
            if (value != null) {
                out.put("general.sampling." + key, samplingValue(key, integer, value));
            }
        });
        TEXTS.forEach(key -> putText(out, "general." + key, texts.get(key)));
        putEntries(out, "general.base_model.", baseModels);
        putEntries(out, "general.dataset.", datasets);
        putList(out, "general.tags", tags);
        putList(out, "general.languages", languages);
    }

    private static GgufValue samplingValue(String key, boolean integer, JsonNode value) {
        if (key.equals("sequence")) {
            return GgufValue.text(value.asString());
        }
        return integer ? GgufValue.i32((int) value.asDouble()) : GgufValue.f32((float) value.asDouble());
    }

    private static void putText(GgufMetadata out, String key, @Nullable String value) {
        if (value != null && !value.isEmpty()) {
            out.put(key, GgufValue.text(value));
        }
    }

    private static void putList(GgufMetadata out, String key, @Nullable List<String> values) {
        if (values != null && !values.isEmpty()) {
            out.put(key, GgufValue.texts(values));
        }
    }

    private static void putEntries(GgufMetadata out, String prefix, @Nullable List<Map<String, String>> entries) {
        if (entries == null) {
            return;
        }
        out.put(prefix + "count", GgufValue.u32(entries.size()));
        for (int i = 0; i < entries.size(); i++) {
            for (String field : ENTRY_FIELDS) {
                putText(out, prefix + i + "." + field, entries.get(i).get(field));
            }
        }
    }

    /** The default file name for a type, without a folder: {@code tolstoy-4M-F16.gguf}. */
    public String fileName(String type) {
        return ModelName.fileName(
                        texts.get("name"),
                        texts.get("basename"),
                        texts.get("size_label"),
                        texts.get("finetune"),
                        texts.get("version"),
                        type)
                + ".gguf";
    }
}
