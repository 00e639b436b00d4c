package dev.quern.io;

import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A JSON Schema (draft 2020-12) out of {@code formats/}, and what a document does not keep of it, in plain words. */
public final class JsonSchema {
    private static final int NEAR = 3;

    private final JsonNode text;
    private final Schema schema;

    private JsonSchema(JsonNode text) {
        this.text = text;
        this.schema = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(text);
    }

    /**
     * @param pointer of the value that is wrong, as RFC 6901 has it; for a key that should not be there, the key's
     * @param problem what was expected and what was found
     */
    public record Problem(String pointer, String problem) {
        /** {@code outputs[1].type}, for people; empty for the document itself. */
        public String path() {
            StringBuilder path = new StringBuilder();
            for (String step : pointer.split("/")) {
                String name = step.replace("~1", "/").replace("~0", "~");
                if (name.matches("\\d+")) {
                    path.append('[').append(name).append(']');
                } else if (!name.isEmpty()) {
                    path.append(path.isEmpty() ? "" : ".").append(name);
                }
            }
            return path.toString();
        }
    }

    /** @param name of a file in {@code formats/} */
    public static JsonSchema named(String name) {
        try (InputStream in = JsonSchema.class.getResourceAsStream("/formats/" + name)) {
            return new JsonSchema(
                    JsonMapper.builder().build().readTree(Objects.requireNonNull(in, () -> "no formats/" + name)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @return nothing when the document keeps the schema; otherwise at most one problem for each place */
    public List<Problem> problems(JsonNode document) {
        List<Problem> problems = new ArrayList<>();
        for (Error error : schema.validate(document)) {
            String at = pointer(error.getInstanceLocation().toString());
            String property = error.getProperty();
            boolean key = property != null && "additionalProperties".equals(error.getKeyword());
            String pointer = key ? at + "/" + escaped(property) : at;
            if (problems.stream().noneMatch(known -> known.pointer().equals(pointer))) {
                problems.add(new Problem(pointer, problem(error)));
            }
        }
        return problems;
    }

    /** One step of a pointer. */
    public static String escaped(String name) {
        return name.replace("~", "~0").replace("/", "~1");
    }

    private static String pointer(String location) {
        return location.startsWith("#") ? location.substring(1) : location;
    }

    private String problem(Error error) {
        @Nullable JsonNode rule = error.getSchemaNode();
        @Nullable JsonNode found = error.getInstanceNode();
        String shown = found == null ? "nothing" : shown(found);
        return switch (error.getKeyword()) {
            case "additionalProperties" -> unknownKey(error);
            case "required" -> "expected a key '" + error.getProperty() + "', found none";
            case "type" -> "expected " + types(Objects.requireNonNull(rule)) + ", found " + shown;
            case "enum" ->
                oneOf(
                        Objects.requireNonNull(rule)
                                .valueStream()
                                .map(JsonNode::asString)
                                .toList(),
                        shown);
            case "minimum" -> "expected at least " + rule + ", found " + shown;
            case "exclusiveMinimum" -> "expected more than " + rule + ", found " + shown;
            case "maximum" -> "expected at most " + rule + ", found " + shown;
            case "minItems", "minProperties", "minLength" -> "expected something, found nothing";
            case "uniqueItems" -> "expected no entry twice, found " + shown;
            case "const" -> "expected " + rule + ", found " + shown;
            case "pattern" -> "expected a text that matches " + rule + ", found " + shown;
            default -> error.getMessage() + ", found " + shown;
        };
    }

    private String unknownKey(Error error) {
        String location = pointer(String.valueOf(error.getSchemaLocation().getFragment()));
        JsonNode known = text.at(location.substring(0, location.lastIndexOf('/')) + "/properties");
        return oneOf(List.copyOf(known.propertyNames()), "'" + error.getProperty() + "'");
    }

    /** Names that resemble what was found go first: it is probably one of them. */
    private static String oneOf(List<String> names, String found) {
        String plain = found.replaceAll("^['\"]|['\"]$", "");
        List<String> near = names.stream()
                .filter(name -> distance(name, plain) <= Math.min(NEAR, Math.max(1, plain.length() / 2)))
                .toList();
        return "expected one of " + String.join(", ", names) + "; found " + found
                + (near.isEmpty() ? "" : "; is " + String.join(" or ", near) + " meant?");
    }

    /** Levenshtein's, whatever the case. */
    private static int distance(String a, String b) {
        String left = a.toLowerCase(Locale.ROOT);
        String right = b.toLowerCase(Locale.ROOT);
        int[] row = new int[right.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= left.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int changed = diagonal + (left.charAt(i - 1) == right.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(changed, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[right.length()];
    }

    private static String types(JsonNode rule) {
        return rule.isArray()
                ? rule.valueStream().map(type -> type(type.asString())).collect(Collectors.joining(" or "))
                : type(rule.asString());
    }

    private static String type(String name) {
        return switch (name) {
            case "object" -> "keys with values";
            case "array" -> "a list";
            case "string" -> "a text";
            case "integer" -> "a whole number";
            case "number" -> "a number";
            case "boolean" -> "true or false";
            default -> name;
        };
    }

    private static String shown(JsonNode node) {
        return switch (node.getNodeType()) {
            case STRING -> Quoted.of(node.asString());
            case OBJECT -> "keys with values";
            case ARRAY -> "a list";
            case NULL -> "nothing";
            default -> node.toString();
        };
    }
}
