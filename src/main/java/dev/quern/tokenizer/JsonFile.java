package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.JsonTree;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** The JSON files beside a Hugging Face checkpoint: one object each, of bounded size and depth, no key twice. */
final class JsonFile {
    /** The largest tokenizer.json in use take some tens of MB. */
    static final long LARGEST = 256L << 20;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(64)
                    .maxStringLength(64 << 20)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private JsonFile() {}

    /** The object in the file; without fields when there is no such file. */
    static ObjectNode read(Path file) {
        return read(file, Set.of());
    }

    /** As {@link #read(Path)}, without the values of the top-level keys in {@code skipped}, which are only checked. */
    static ObjectNode read(Path file, Set<String> skipped) {
        if (!Files.exists(file)) {
            return JsonNodeFactory.instance.objectNode();
        }
        byte[] bytes;
        try (MappedFile mapped = MappedFile.open(file)) {
            if (mapped.size() > LARGEST) {
                throw InputException.of(file, "expected at most 256 MiB, found " + mapped.size() + " bytes");
            }
            bytes = mapped.region().bytes(0, (int) mapped.size());
        }
        OptionalInt invalid = Utf8.firstInvalid(bytes);
        if (invalid.isPresent()) {
            throw InputException.of(file, "byte " + invalid.getAsInt(), "expected UTF-8");
        }
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), bytes)) {
            return object(file, parser, skipped);
        } catch (JacksonException e) {
            throw InputException.of(file, "expected JSON: " + oneLine(e)).withCause(e);
        }
    }

    private static ObjectNode object(Path file, JsonParser parser, Set<String> skipped) {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            throw InputException.of(file, "expected a JSON object, found " + kind(parser));
        }
        ObjectNode object = JsonNodeFactory.instance.objectNode();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            if (skipped.contains(name)) {
                parser.nextToken();
                parser.skipChildren();
            } else {
                object.set(name, JsonTree.next(parser));
            }
        }
        if (parser.nextToken() != null) {
            throw InputException.of(file, "expected one JSON object, found more after it");
        }
        return object;
    }

    private static String kind(JsonParser parser) {
        JsonToken token = parser.currentToken();
        return token == null ? "nothing" : token.toString();
    }

    private static String oneLine(JacksonException e) {
        String place = e.getLocation() == null
                ? ""
                : " at line " + e.getLocation().getLineNr() + ", column "
                        + e.getLocation().getColumnNr();
        String problem = e.getOriginalMessage();
        return (problem == null
                        ? "not well-formed"
                        : problem.lines().findFirst().orElse("not well-formed"))
                + place;
    }

    /** What a value is, for a message. */
    static String found(JsonNode value) {
        return value.isString() ? Quoted.of(value.stringValue()) : value.getNodeType() + " " + value;
    }
}
