package dev.quern.report;

import dev.quern.pipeline.Provenance.Digested;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where outputs come from as an in-toto statement (in-toto attestation framework, Statement v1) with SLSA's provenance
 * (v1) as its predicate: subjects are the outputs, resolved dependencies what was read. Unsigned; whoever signs it puts
 * it into an envelope. It says nothing of time, host or user, so equal work makes equal statements.
 */
public final class InTotoStatement {
    private static final String STATEMENT = "https://in-toto.io/Statement/v1";
    private static final String PREDICATE = "https://slsa.dev/provenance/v1";

    /** What {@code externalParameters} hold under this type: the command, and each output's options by its name. */
    private static final String BUILD_TYPE = "https://quern.dev/conversion/v1";

    private static final String BUILDER = "https://quern.dev/quern";

    private InTotoStatement() {}

    /** With a line break at its end. */
    public static String json(Lineage lineage) {
        List<Map<String, Object>> subjects = new ArrayList<>();
        Map<String, Object> options = new LinkedHashMap<>();
        for (Lineage.Output output : lineage.outputs()) {
            subjects.add(descriptor(output.file()));
            options.put(output.file().name(), output.provenance().options());
        }
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("command", lineage.command());
        parameters.put("model", lineage.model().name());
        parameters.put("outputs", options);
        Map<String, Object> definition = new LinkedHashMap<>();
        definition.put("buildType", BUILD_TYPE);
        definition.put("externalParameters", parameters);
        definition.put(
                "resolvedDependencies",
                lineage.materials().stream().map(InTotoStatement::descriptor).toList());
        Map<String, Object> builder = new LinkedHashMap<>();
        builder.put("id", BUILDER);
        builder.put("version", Map.of("quern", lineage.tool()));
        Map<String, Object> predicate = new LinkedHashMap<>();
        predicate.put("buildDefinition", definition);
        predicate.put("runDetails", Map.of("builder", builder));
        Map<String, Object> statement = new LinkedHashMap<>();
        statement.put("_type", STATEMENT);
        statement.put("subject", subjects);
        statement.put("predicateType", PREDICATE);
        statement.put("predicate", predicate);
        return Json.pretty(statement) + "\n";
    }

    /** in-toto's ResourceDescriptor. */
    private static Map<String, Object> descriptor(Digested file) {
        Map<String, Object> descriptor = new LinkedHashMap<>();
        descriptor.put("name", file.name());
        descriptor.put("digest", Map.of("sha256", file.sha256()));
        return descriptor;
    }
}
