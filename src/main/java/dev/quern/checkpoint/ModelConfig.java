package dev.quern.checkpoint;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.StrictJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A model's hyperparameters under Hugging Face's names: {@code config.json}, or {@code params.json} translated. Keys
 * are paths with dots, {@code rope_scaling.factor}; null counts as absent. Every look-up refuses a value of another
 * type, and a size no model has, naming file and field.
 */
public final class ModelConfig {
    private static final long MAX_BYTES = 16 << 20;

    private final Path file;
    private final JsonNode root;

    ModelConfig(Path file, JsonNode root) {
        this.file = file;
        this.root = root;
    }

    /** @throws InputException when the file is not one JSON object, or holds a name twice */
    public static ModelConfig read(Path file) {
        try (MappedFile mapped = MappedFile.open(file)) {
            JsonNode root = StrictJson.tree(mapped, MAX_BYTES);
            if (!root.isObject()) {
                throw InputException.of(file, "expected a JSON object, found " + kind(root));
            }
            ModelConfig config = new ModelConfig(file, ofText(root));
            config.checkHeads();
            return config;
        }
    }

    /** A model of several kinds of input has its text model's fields one level down; they go before its own. */
    private static JsonNode ofText(JsonNode root) {
        if (!(root.path("text_config") instanceof ObjectNode text)) {
            return root;
        }
        ObjectNode joined = ((ObjectNode) root).deepCopy();
        text.properties().forEach(field -> {
            if (!field.getKey().equals("architectures") && !field.getValue().isNull()) {
                joined.set(field.getKey(), field.getValue());
            }
        });
        return joined;
    }

    /** Grouped-query attention shares each key/value head among the same number of query heads. */
    void checkHeads() {
        if (root.path("num_attention_heads").isIntegralNumber()
                && root.path("num_key_value_heads").isIntegralNumber()) {
            long heads = requireInteger("num_attention_heads");
            long keyValueHeads = requireInteger("num_key_value_heads");
            if (heads % keyValueHeads != 0) {
                throw refused("num_key_value_heads", keyValueHeads + " does not divide num_attention_heads " + heads);
            }
        }
    }

    /** The folder that the file lies in. */
    public Path directory() {
        Path parent = file.getParent();
        return parent == null ? Path.of("") : parent;
    }

    /** The file the values come from. */
    public Path file() {
        return file;
    }

    public JsonNode json() {
        return root;
    }

    public boolean has(String key) {
        return find(key).isPresent();
    }

    /** An integer, within {@link HyperparameterRange} where the field's name has one. */
    public OptionalLong integer(String key) {
        Optional<JsonNode> found = find(key);
        if (found.isEmpty()) {
            return OptionalLong.empty();
        }
        JsonNode node = found.get();
        if (!node.isIntegralNumber() || !node.canConvertToLong()) {
            throw expected(key, "an integer", node);
        }
        long value = node.longValue();
        HyperparameterRange.of(lastName(key)).ifPresent(range -> {
            if (value < range.least() || value > range.most()) {
                throw expected(key, "an integer from " + range.least() + " to " + range.most(), node);
            }
        });
        return OptionalLong.of(value);
    }

    /** A finite number, written as an integer or not. */
    public OptionalDouble real(String key) {
        Optional<JsonNode> found = find(key);
        return found.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of(finite(key, found.get()));
    }

    public Optional<String> text(String key) {
        return typed(key, "a text", JsonNode::isString, JsonNode::stringValue);
    }

    /** A text, number or boolean as JSON writes it, without quotes: what conditions on a configuration compare. */
    public Optional<String> anyText(String key) {
        return find(key).filter(JsonNode::isValueNode).map(JsonNode::asString);
    }

    public Optional<Boolean> bool(String key) {
        return typed(key, "true or false", JsonNode::isBoolean, JsonNode::booleanValue);
    }

    /** A list of texts; empty when absent. */
    public List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        for (JsonNode element : array(key)) {
            if (!element.isString()) {
                throw expected(key, "a list of texts", element);
            }
            texts.add(element.stringValue());
        }
        return List.copyOf(texts);
    }

    /** A list of integers, one or more ids for instance; a single integer counts as a list of one. */
    public List<Long> integers(String key) {
        if (find(key).filter(JsonNode::isIntegralNumber).isPresent()) {
            return List.of(integer(key).orElseThrow());
        }
        List<Long> integers = new ArrayList<>();
        for (JsonNode element : array(key)) {
            if (!element.isIntegralNumber() || !element.canConvertToLong()) {
                throw expected(key, "a list of integers", element);
            }
            integers.add(element.longValue());
        }
        return List.copyOf(integers);
    }

    /** A list of finite numbers; empty when absent. */
    public List<Double> reals(String key) {
        List<Double> reals = new ArrayList<>();
        for (JsonNode element : array(key)) {
            reals.add(finite(key, element));
        }
        return List.copyOf(reals);
    }

    /** @throws InputException that names the field, when it is absent */
    public long requireInteger(String key) {
        return integer(key).orElseThrow(() -> absent(key));
    }

    /** @throws InputException that names the field, when it is absent */
    public double requireReal(String key) {
        return real(key).orElseThrow(() -> absent(key));
    }

    /** A refusal of the value under a key, in this file's name. */
    public InputException refused(String key, String problem) {
        return InputException.of(file, key, problem);
    }

    private InputException absent(String key) {
        return refused(key, "is not there");
    }

    private <T> Optional<T> typed(String key, String type, Predicate<JsonNode> is, Function<JsonNode, T> value) {
        return find(key).map(node -> {
            if (!is.test(node)) {
                throw expected(key, type, node);
            }
            return value.apply(node);
        });
    }

    private Iterable<JsonNode> array(String key) {
        Optional<JsonNode> found = find(key);
        if (found.isEmpty()) {
            return List.of();
        }
        if (!found.get().isArray()) {
            throw expected(key, "a list", found.get());
        }
        return found.get();
    }

    private double finite(String key, JsonNode node) {
        if (!node.isNumber() || !Double.isFinite(node.doubleValue())) {
            throw expected(key, "a finite number", node);
        }
        return node.doubleValue();
    }

    private Optional<JsonNode> find(String key) {
        JsonNode node = root;
        for (String name : key.split("\\.", -1)) {
            node = node.path(name);
        }
        return node.isMissingNode() || node.isNull() ? Optional.empty() : Optional.of(node);
    }

    private InputException expected(String key, String type, JsonNode found) {
        return InputException.expected(file, key, type, kind(found));
    }

    private static String lastName(String key) {
        return key.substring(key.lastIndexOf('.') + 1);
    }

    private static String kind(JsonNode node) {
        if (node.isObject()) {
            return "an object";
        }
        if (node.isArray()) {
            return "a list";
        }
        if (node.isString()) {
            return Quoted.of(node.stringValue());
        }
        return Quoted.plain(node.isNumber() ? node.numberValue().toString() : node.toString());
    }
}
