package dev.quern.report;

import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.io.StrictJson;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Reports as JSON: written in full, read strictly. */
public final class ReportFile {
    /** Per-tensor figures of a hundred large outputs are some ten megabytes. */
    private static final long LARGEST = 256L << 20;

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .build();

    private static final JsonMapper PRETTY =
            MAPPER.rebuild().enable(SerializationFeature.INDENT_OUTPUT).build();

    private ReportFile() {}

    public static String json(RunReport report) {
        return PRETTY.writeValueAsString(report) + "\n";
    }

    /** On one line, as the page carries it. */
    static String compact(RunReport report) {
        return MAPPER.writeValueAsString(report);
    }

    /** Reads and writes records as reports have them. */
    public static JsonMapper mapper() {
        return PRETTY;
    }

    /** @throws InputException when the file is no report that this version reads */
    public static RunReport read(Path path) {
        try (MappedFile file = MappedFile.open(path)) {
            JsonNode tree = StrictJson.tree(file, LARGEST);
            if (!tree.path("format").asString("").equals(RunReport.FORMAT)) {
                throw InputException.of(path, "expected a report (\"format\": \"quern-report\"), found another file");
            }
            List<JsonSchema.Problem> problems =
                    JsonSchema.named("report.schema.json").problems(tree);
            if (!problems.isEmpty()) {
                JsonSchema.Problem first = problems.getFirst();
                throw InputException.of(path, first.path(), Quoted.plain(first.problem()))
                        .withHint("reports of another version of Quern may have another form");
            }
            return MAPPER.treeToValue(tree, RunReport.class);
        } catch (JacksonException e) {
            throw InputException.of(path, "is no report: " + Quoted.plain(e.getOriginalMessage()))
                    .withCause(e);
        }
    }
}
