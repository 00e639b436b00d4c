package dev.quern.batch;

import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLParser;

/** A YAML file (JSON is YAML) as a tree that knows the line of every value. */
final class YamlDocument {
    /** A recipe is written by hand; what is larger is another kind of file. */
    private static final long LARGEST = 1 << 20;

    private static final int DEEPEST = 32;

    private static final YAMLFactory YAML = YAMLFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(DEEPEST).build())
            .build();

    private final Path path;
    private final byte[] bytes;
    private final JsonNode root;
    private final Map<String, String> places = new HashMap<>();

    private YamlDocument(Path path, byte[] bytes) {
        this.path = path;
        this.bytes = bytes;
        this.root = parse();
    }

    /** @throws InputException when the file cannot be read, is no YAML, or holds a name twice */
    static YamlDocument read(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            if (file.size() > LARGEST) {
                throw InputException.of(
                        path, "expected a recipe of at most " + LARGEST + " bytes, found " + file.size());
            }
            return new YamlDocument(path, file.region().bytes(0, (int) file.size()));
        }
    }

    JsonNode root() {
        return root;
    }

    byte[] bytes() {
        return bytes.clone();
    }

    /** The refusal of a value, with its line and column. */
    InputException refuse(String pointer, String problem) {
        String at = pointer;
        while (!places.containsKey(at) && !at.isEmpty()) {
            at = at.substring(0, at.lastIndexOf('/'));
        }
        String name = new JsonSchema.Problem(pointer, problem).path();
        return InputException.of(
                path + ":" + places.getOrDefault(at, "1:1"), (name.isEmpty() ? "" : name + ": ") + problem);
    }

    /** Lines come first in the order of problems. */
    int line(String pointer) {
        return Integer.parseInt(places.getOrDefault(pointer, "1:1").split(":")[0]);
    }

    private JsonNode parse() {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw InputException.of(path, "is not valid UTF-8").withCause(e);
        }
        try (YAMLParser parser = (YAMLParser) YAML.createParser(ObjectReadContext.empty(), text)) {
            if (parser.nextToken() == null) {
                throw InputException.of(path, "expected a recipe, found an empty file");
            }
            JsonNode node = value(parser, "");
            if (parser.nextToken() != null) {
                throw InputException.of(
                        path + ":" + place(parser.currentTokenLocation()), "expected one document, found a second");
            }
            return node;
        } catch (JacksonException e) {
            TokenStreamLocation at = e.getLocation();
            throw InputException.of(
                            path + (at == null ? "" : ":" + place(at)),
                            "is not YAML: " + Quoted.plain(firstLine(e.getOriginalMessage())))
                    .withCause(e);
        }
    }

    private static String firstLine(String message) {
        return message.lines().findFirst().orElse("");
    }

    private static String place(TokenStreamLocation at) {
        return Math.max(1, at.getLineNr()) + ":" + Math.max(1, at.getColumnNr());
    }

    private JsonNode value(YAMLParser parser, String pointer) {
        places.putIfAbsent(pointer, place(parser.currentTokenLocation()));
        // Aliases let a file of some lines stand for gigabytes.
        if (parser.isCurrentAlias() || parser.getObjectId() != null) {
            throw refuse(pointer, "expected a plain value, found an anchor or alias (& or *)");
        }
        JsonNodeFactory nodes = JsonNodeFactory.instance;
        JsonToken token = parser.currentToken();
        return switch (token) {
            case START_OBJECT -> object(parser, pointer);
            case START_ARRAY -> array(parser, pointer);
            case VALUE_NUMBER_INT -> nodes.numberNode(parser.getBigIntegerValue());
            case VALUE_NUMBER_FLOAT -> nodes.numberNode(parser.getDoubleValue());
            case VALUE_TRUE -> nodes.booleanNode(true);
            case VALUE_FALSE -> nodes.booleanNode(false);
            case VALUE_NULL -> nodes.nullNode();
            default -> nodes.stringNode(parser.getString());
        };
    }

    private ObjectNode object(YAMLParser parser, String pointer) {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            String inner = pointer + "/" + JsonSchema.escaped(name);
            // The key's line is where people look, and what differs from the value's for lists and maps.
            if (places.putIfAbsent(inner, place(parser.currentTokenLocation())) != null) {
                throw InputException.of(
                        path + ":" + place(parser.currentTokenLocation()),
                        "key " + Quoted.of(name) + " stands here twice, first at line " + line(inner));
            }
            parser.nextToken();
            node.set(name, value(parser, inner));
        }
        return node;
    }

    private ArrayNode array(YAMLParser parser, String pointer) {
        ArrayNode node = JsonNodeFactory.instance.arrayNode();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            node.add(value(parser, pointer + "/" + node.size()));
        }
        return node;
    }
}
