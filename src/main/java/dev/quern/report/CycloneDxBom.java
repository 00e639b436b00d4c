package dev.quern.report;

import dev.quern.pipeline.Provenance;
import dev.quern.pipeline.Provenance.Digested;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Where outputs come from as a bill of materials (CycloneDX 1.6, JSON): every output a machine-learning model with a
 * model card, its options and what was measured; every file that was read a component that it depends on. It says nothing
 * of time, host or user, and its serial number is made of its contents, so equal work makes equal bills.
 */
public final class CycloneDxBom {
    private static final String SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json";

    private final Lineage lineage;
    private final List<Digested> materials;

    private CycloneDxBom(Lineage lineage) {
        this.lineage = lineage;
        this.materials = lineage.materials();
    }

    /** With a line break at its end. */
    public static String json(Lineage lineage) {
        return Json.pretty(new CycloneDxBom(lineage).document()) + "\n";
    }

    private Map<String, Object> document() {
        Map<String, Object> contents = new LinkedHashMap<>();
        contents.put("metadata", metadata());
        contents.put("components", components());
        contents.put("dependencies", dependencies());
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("$schema", SCHEMA);
        document.put("bomFormat", "CycloneDX");
        document.put("specVersion", "1.6");
        document.put(
                "serialNumber",
                "urn:uuid:" + UUID.nameUUIDFromBytes(Json.line(contents).getBytes(StandardCharsets.UTF_8)));
        document.put("version", 1);
        document.putAll(contents);
        return document;
    }

    private Map<String, Object> metadata() {
        Map<String, Object> tool = component("application", "quern");
        tool.put("version", lineage.tool());
        Map<String, Object> model = model(lineage.model().name());
        model.put("bom-ref", "model");
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("tools", Map.of("components", List.of(tool)));
        metadata.put("component", model);
        return metadata;
    }

    private static Map<String, Object> component(String type, String name) {
        Map<String, Object> component = new LinkedHashMap<>();
        component.put("type", type);
        component.put("name", name);
        return component;
    }

    private Map<String, Object> model(String name) {
        Map<String, Object> model = component("machine-learning-model", name);
        // Model cards write licences in their own way, which SPDX's list does not know.
        lineage.model()
                .license()
                .ifPresent(license -> model.put("licenses", List.of(Map.of("license", Map.of("name", license)))));
        return model;
    }

    private List<Map<String, Object>> components() {
        List<Map<String, Object>> components = new ArrayList<>();
        for (int i = 0; i < lineage.outputs().size(); i++) {
            components.add(output(lineage.outputs().get(i), "output-" + (i + 1)));
        }
        for (Digested material : materials) {
            boolean text = lineage.outputs().stream()
                    .anyMatch(
                            output -> output.provenance().calibration().stream().anyMatch(material::equals));
            Map<String, Object> component = component(text ? "data" : "file", material.name());
            component.put("bom-ref", reference(material));
            component.put("hashes", hashes(material));
            components.add(component);
        }
        return components;
    }

    private Map<String, Object> output(Lineage.Output output, String reference) {
        Map<String, Object> component = model(output.file().name());
        component.put("bom-ref", reference);
        component.put("hashes", hashes(output.file()));
        component.put(
                "pedigree",
                Map.of(
                        "ancestors",
                        List.of(component(
                                "machine-learning-model", lineage.model().name()))));
        component.put("modelCard", card(output));
        List<Map<String, String>> properties = new ArrayList<>();
        properties.add(property("quern:type", output.type()));
        properties.add(property("quern:bytes", Long.toString(output.file().bytes())));
        output.provenance()
                .options()
                .forEach((option, value) -> properties.add(property("quern:option:" + option, value)));
        component.put("properties", properties);
        return component;
    }

    private static Map<String, String> property(String name, String value) {
        Map<String, String> property = new LinkedHashMap<>();
        property.put("name", name);
        property.put("value", value);
        return property;
    }

    private Map<String, Object> card(Lineage.Output output) {
        Map<String, Object> parameters = new LinkedHashMap<>();
        parameters.put("task", "text-generation");
        parameters.put("architectureFamily", "transformer");
        parameters.put("modelArchitecture", lineage.model().architecture());
        output.provenance()
                .calibration()
                .ifPresent(text -> parameters.put("datasets", List.of(Map.of("ref", reference(text)))));
        Map<String, Object> card = new LinkedHashMap<>();
        card.put("modelParameters", parameters);
        if (!output.figures().isEmpty()) {
            card.put(
                    "quantitativeAnalysis",
                    Map.of(
                            "performanceMetrics",
                            output.figures().stream().map(CycloneDxBom::metric).toList()));
        }
        return card;
    }

    private static Map<String, Object> metric(Lineage.Figure figure) {
        Map<String, Object> metric = new LinkedHashMap<>();
        metric.put("type", figure.quantity());
        metric.put("value", Double.toString(figure.value()));
        metric.put("slice", figure.text());
        if (figure.low() != null && figure.high() != null) {
            Map<String, String> interval = new LinkedHashMap<>();
            interval.put("lowerBound", figure.low().toString());
            interval.put("upperBound", figure.high().toString());
            metric.put("confidenceInterval", interval);
        }
        return metric;
    }

    private static List<Map<String, String>> hashes(Digested file) {
        Map<String, String> hash = new LinkedHashMap<>();
        hash.put("alg", "SHA-256");
        hash.put("content", file.sha256());
        return List.of(hash);
    }

    private String reference(Digested material) {
        return "material-" + (materials.indexOf(material) + 1);
    }

    private List<Map<String, Object>> dependencies() {
        List<Map<String, Object>> dependencies = new ArrayList<>();
        List<String> outputs = new ArrayList<>();
        for (int i = 0; i < lineage.outputs().size(); i++) {
            Provenance provenance = lineage.outputs().get(i).provenance();
            List<Digested> made = new ArrayList<>(provenance.sources());
            provenance.importance().ifPresent(made::add);
            provenance.calibration().ifPresent(made::add);
            outputs.add("output-" + (i + 1));
            dependencies.add(dependency(
                    outputs.getLast(),
                    made.stream().map(this::reference).distinct().toList()));
        }
        dependencies.addFirst(dependency("model", outputs));
        return dependencies;
    }

    private static Map<String, Object> dependency(String reference, List<String> on) {
        Map<String, Object> dependency = new LinkedHashMap<>();
        dependency.put("ref", reference);
        dependency.put("dependsOn", on);
        return dependency;
    }
}
