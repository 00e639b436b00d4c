package dev.quern.architecture;

import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.io.MappedFile;
import dev.quern.io.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads pages. A page may extend another: its hyperparameters and rules come after those of the other, and replace those
 * of the same name where they stand. A rule with {@code "omit": true} removes; of the name "*" it removes all of
 * the other's. One with {@code "last": true} does not stand where the one did that it replaces, but after them all.
 */
public final class Pages {
    private static final String FOLDER = "/formats/architectures/";
    private static final String EVERY = "*";
    private static final long MAX_BYTES = 1 << 20;

    /** Lists of rules, and what names a rule in each. */
    private static final Map<String, String> RULES = Map.of(
            "metadata",
            "key",
            "tensors",
            "name",
            "computed",
            "name",
            "refused",
            "when",
            "renamed",
            "",
            "ignored",
            "",
            "zeros",
            "");

    /** What pages there are; each is read when it is asked for, since reading all of them would delay every start. */
    private static final List<Entry> INDEX = entries();

    private Pages() {}

    /**
     * @param page the name of its file
     * @param gguf as the page has it
     * @param architectures as the page has them
     */
    record Entry(String page, String gguf, List<String> architectures) {}

    private static List<Entry> entries() {
        List<Entry> entries = new ArrayList<>();
        for (JsonNode entry : resource("pages")) {
            entries.add(PageFields.read(
                    entry,
                    "/" + entries.size(),
                    fields -> new Entry(
                            fields.required("page"), fields.required("gguf"), fields.texts("architectures"))));
        }
        return List.copyOf(entries);
    }

    static List<Entry> index() {
        return INDEX;
    }

    static List<Architecture> all() {
        return INDEX.stream().map(Pages::read).toList();
    }

    static Optional<Architecture> first(Predicate<Entry> wanted) {
        return INDEX.stream().filter(wanted).findFirst().map(Pages::read);
    }

    private static Architecture read(Entry entry) {
        return page(whole(resource(entry.page), new HashSet<>(Set.of(entry.page))));
    }

    /**
     * A page of the user's own.
     *
     * @throws InputException when the file keeps the schema of pages not, or speaks of what it does not define
     */
    public static Architecture read(Path file) {
        JsonNode root;
        try (MappedFile mapped = MappedFile.open(file)) {
            root = StrictJson.tree(mapped, MAX_BYTES);
        }
        for (JsonSchema.Problem problem : problems(root)) {
            throw InputException.of(file, (problem.path().isEmpty() ? "" : problem.path() + ": ") + problem.problem())
                    .withHint("formats/architectures/README.md says how to write a page");
        }
        try {
            Architecture page = page(whole(root, new HashSet<>()));
            PageCheck.check(page);
            return page;
        } catch (IllegalArgumentException e) {
            throw InputException.of(
                            file,
                            String.valueOf(e.getMessage()).lines().findFirst().orElse(""))
                    .withHint("formats/architectures/README.md says how to write a page")
                    .withCause(e);
        }
    }

    /** What a page, as it is written, does not keep of the schema. */
    static List<JsonSchema.Problem> problems(JsonNode page) {
        return JsonSchema.named("architectures/page.schema.json").problems(page);
    }

    static JsonNode resource(String name) {
        try (InputStream in = Pages.class.getResourceAsStream(FOLDER + name + ".json")) {
            if (in == null) {
                throw new IllegalArgumentException("there is no page " + name + " to extend");
            }
            return StrictJson.tree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Architecture page(ObjectNode whole) {
        if (!whole.has("architectures")) {
            // Made by other converters only, and evaluated: nothing is said of checkpoints.
            whole.putArray("architectures");
            whole.putObject("hyperparameters");
            whole.putArray("tensors");
            whole.putObject("vocabulary").putArray("kinds");
        }
        for (String field : List.of("gguf", "title", "hyperparameters", "tensors", "vocabulary")) {
            if (!whole.has(field)) {
                throw new IllegalArgumentException("the page has no \"" + field + "\"");
            }
        }
        String gguf = whole.get("gguf").asString();
        for (JsonNode rule : whole.path("metadata")) {
            ObjectNode object = (ObjectNode) rule;
            object.put("key", rule.get("key").asString().replace("{arch}", gguf));
        }
        return PageReader.architecture(whole);
    }

    private static ObjectNode whole(JsonNode page, Set<String> seen) {
        ObjectNode own = (ObjectNode) page.deepCopy();
        JsonNode parent = own.remove("extends");
        own.remove("$schema");
        own.remove("about");
        if (parent == null) {
            return own;
        }
        if (!seen.add(parent.asString())) {
            throw new IllegalArgumentException("the page extends itself, by way of " + parent.asString());
        }
        ObjectNode whole = whole(resource(parent.asString()), seen);
        own.properties().forEach(field -> {
            String name = field.getKey();
            if (RULES.containsKey(name) && whole.has(name)) {
                whole.set(name, rules(whole.get(name), field.getValue(), String.valueOf(RULES.get(name))));
            } else if (name.equals("hyperparameters") && whole.has(name)) {
                ObjectNode values = (ObjectNode) whole.get(name);
                field.getValue().properties().forEach(value -> values.set(value.getKey(), value.getValue()));
            } else {
                whole.set(name, field.getValue());
            }
        });
        return whole;
    }

    /** The parent's rules with those of the page's own that replace them, and then the others. */
    private static ArrayNode rules(JsonNode parents, JsonNode own, String key) {
        Map<String, List<JsonNode>> byName = new LinkedHashMap<>();
        for (JsonNode rule : own) {
            byName.computeIfAbsent(rule.path(key).asString(), name -> new ArrayList<>())
                    .add(rule);
        }
        ArrayNode merged = JsonNodeFactory.instance.arrayNode();
        if (byName.remove(EVERY) != null) {
            addKept(merged, byName.values().stream().flatMap(List::stream).toList());
            return merged;
        }
        Set<String> replaced = new HashSet<>();
        for (JsonNode rule : parents) {
            String name = rule.path(key).asString();
            List<JsonNode> replacements = key.isEmpty() ? null : byName.get(name);
            if (replacements == null) {
                merged.add(rule);
            } else if (replaced.add(name)) {
                addKept(
                        merged,
                        replacements.stream().filter(each -> !isLast(each)).toList());
            }
        }
        for (JsonNode rule : own) {
            if (key.isEmpty()
                    || isLast(rule)
                    || !replaced.contains(rule.path(key).asString())) {
                addKept(merged, List.of(rule));
            }
        }
        return merged;
    }

    private static void addKept(ArrayNode merged, List<JsonNode> rules) {
        for (JsonNode rule : rules) {
            if (!rule.path("omit").asBoolean(false)) {
                if (isLast(rule)) {
                    ((ObjectNode) rule).remove("last");
                }
                merged.add(rule);
            }
        }
    }

    private static boolean isLast(JsonNode rule) {
        return rule.path("last").asBoolean(false);
    }
}
