package dev.quern.batch;

import dev.quern.allocation.Floors;
import dev.quern.io.JsonSchema;
import dev.quern.pipeline.Method;
import dev.quern.pipeline.SizeTarget;
import dev.quern.pipeline.WantedSize;
import dev.quern.quantization.FileType;
import dev.quern.quantization.MixOptions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;

/** Reads what sources become. */
record OutputReader(RecipeNodes nodes) {
    /** What is of no use without a target. */
    private static final List<String> OF_TARGETS =
            List.of("floors", "influence_text", "influence_chunks", "influence_types", "save_tensor_types");

    List<Recipe.Output> read(JsonNode list) {
        LinkedHashMap<String, Recipe.Output> outputs = new LinkedHashMap<>();
        for (int i = 0; i < list.size(); i++) {
            Recipe.Output output = output(list.get(i), "/outputs/" + i);
            if (output.name().equalsIgnoreCase("all") || output.name().equalsIgnoreCase("source")) {
                throw nodes.document()
                        .refuse("/outputs/" + i + "/name", "'" + output.name() + "' has a meaning of its own");
            }
            if (outputs.putIfAbsent(output.name().toLowerCase(Locale.ROOT), output) != null) {
                throw nodes.document()
                        .refuse(
                                "/outputs/" + i,
                                "expected outputs with different names, found a second " + output.name()
                                        + "; give one a name of its own");
            }
        }
        return List.copyOf(outputs.values());
    }

    private Recipe.Output output(JsonNode node, String pointer) {
        if (node.isString()) {
            FileType type = FileType.valueOf(node.asString());
            return new Recipe.Output(
                    type.name(),
                    type,
                    Method.REFERENCE,
                    true,
                    Optional.empty(),
                    MixOptions.NONE,
                    false,
                    new TreeSet<>(),
                    Optional.empty());
        }
        FileType type = FileType.valueOf(node.get("type").asString());
        List<MixOptions.TypeOverride> overrides = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.path("tensor_types").properties()) {
            String at = pointer + "/tensor_types/" + JsonSchema.escaped(entry.getKey());
            // Tensor names are lower case, and the reference lower-cases the pattern.
            overrides.add(new MixOptions.TypeOverride(
                    nodes.pattern(at, entry.getKey().toLowerCase(Locale.ROOT)),
                    nodes.tensorType(at, entry.getValue().asString())));
        }
        MixOptions mix = new MixOptions(
                node.path("pure").asBoolean(false),
                node.path("leave_output_tensor").asBoolean(false),
                RecipeNodes.text(node, "output_tensor_type")
                        .map(text -> nodes.tensorType(pointer + "/output_tensor_type", text)),
                RecipeNodes.text(node, "token_embedding_type")
                        .map(text -> nodes.tensorType(pointer + "/token_embedding_type", text)),
                overrides);
        TreeSet<Integer> pruned = new TreeSet<>();
        node.path("prune_layers").forEach(layer -> pruned.add(layer.asInt()));
        return new Recipe.Output(
                RecipeNodes.text(node, "name").orElse(type.name()),
                type,
                Method.valueOf(
                        RecipeNodes.text(node, "method").orElse("reference").toUpperCase(Locale.ROOT)),
                node.path("calibrate").asBoolean(true),
                nodes.optionalPath(node, pointer, "imatrix"),
                mix,
                node.path("allow_requantize").asBoolean(false),
                pruned,
                target(node, pointer, type));
    }

    private Optional<Recipe.Target> target(JsonNode node, String pointer, FileType type) {
        boolean bytes = node.has("target_size");
        boolean bits = node.has("target_bpw");
        if (!bytes && !bits) {
            OF_TARGETS.stream().filter(node::has).findFirst().ifPresent(key -> {
                throw nodes.document()
                        .refuse(
                                pointer + "/" + key,
                                "expected target_size or target_bpw, without which it is of no use, found neither");
            });
            return Optional.empty();
        }
        String at = pointer + (bytes ? "/target_size" : "/target_bpw");
        if (bytes && bits) {
            throw nodes.document().refuse(pointer + "/target_bpw", "expected one target, found target_size too");
        }
        if (!type.base().isQuantized()) {
            throw nodes.document()
                    .refuse(at, "expected a quantized type, that of most tensors such as Q4_K_M, found " + type);
        }
        if (node.path("pure").asBoolean(false)) {
            throw nodes.document()
                    .refuse(pointer + "/pure", "expected none with a target, which is a type for each tensor");
        }
        if (node.has("prune_layers")) {
            throw nodes.document()
                    .refuse(
                            pointer + "/prune_layers",
                            "expected none with a target, for which tensors are tried in the whole model");
        }
        List<Floors.Floor> floors = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : node.path("floors").properties()) {
            String place = pointer + "/floors/" + JsonSchema.escaped(entry.getKey());
            floors.add(new Floors.Floor(
                    nodes.pattern(place, entry.getKey()),
                    nodes.tensorType(place, entry.getValue().asString())));
        }
        return Optional.of(new Recipe.Target(
                new WantedSize(
                        bytes
                                ? size(at, node.get("target_size"))
                                : new SizeTarget.BitsPerWeight(
                                        node.get("target_bpw").asDouble()),
                        floors,
                        RecipeNodes.integer(node, "influence_chunks"),
                        RecipeNodes.integer(node, "influence_types")),
                (bytes ? "target_size " : "target_bpw ")
                        + RecipeNodes.written(node.get(bytes ? "target_size" : "target_bpw")),
                RecipeNodes.text(node, "influence_text").map(text -> nodes.file(pointer + "/influence_text", text)),
                node.path("save_tensor_types").asBoolean(false)));
    }

    private SizeTarget size(String pointer, JsonNode node) {
        try {
            return SizeTarget.FileBytes.parse(RecipeNodes.written(node));
        } catch (SizeTarget.Unreadable e) {
            throw nodes.document().refuse(pointer, String.valueOf(e.getMessage()));
        }
    }

    /** Refuses outputs that need a text where there is none, and those that cannot use it. */
    void requireTexts(List<Recipe.Output> outputs, boolean calibrated) {
        for (int i = 0; i < outputs.size(); i++) {
            Recipe.Output output = outputs.get(i);
            String pointer = "/outputs/" + i;
            if (output.method() == Method.COMPENSATED && !calibrated) {
                throw nodes.document()
                        .refuse(
                                pointer + "/method",
                                "expected a calibration with a text, which compensated codes are fitted to, found"
                                        + " none");
            }
            if (output.method() == Method.COMPENSATED && !output.prunedLayers().isEmpty()) {
                throw nodes.document()
                        .refuse(
                                pointer + "/prune_layers",
                                "expected none with method compensated, which computes the whole model");
            }
            output.target()
                    .filter(target -> target.text().isEmpty() && !calibrated)
                    .ifPresent(target -> {
                        throw nodes.document()
                                .refuse(
                                        pointer + "/" + target.asked().split(" ")[0],
                                        "expected a calibration with a text, on which types are tried, or an"
                                                + " influence_text, found neither");
                    });
        }
    }
}
