package dev.quern.cli;

import com.networknt.schema.Schema;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import tools.jackson.databind.JsonNode;

/** CycloneDX's own schema, out of its Java library. */
final class CycloneDxSchema {
    private static final String HOME = "http://cyclonedx.org/schema/";
    private static final Schema SCHEMA = SchemaRegistry.withDefaultDialect(
                    SpecificationVersion.DRAFT_7, builder -> builder.schemas(CycloneDxSchema::text))
            .getSchema(SchemaLocation.of(HOME + "bom-1.6.schema.json"));

    private CycloneDxSchema() {}

    /** The schemas refer to each other by addresses; none is fetched. */
    private static String text(String address) {
        if (!address.startsWith(HOME)) {
            throw new IllegalArgumentException(address);
        }
        try (InputStream in = Objects.requireNonNull(
                CycloneDxSchema.class.getResourceAsStream("/" + address.substring(HOME.length())), address)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> problems(JsonNode document) {
        return SCHEMA.validate(document).stream().map(Object::toString).toList();
    }
}
