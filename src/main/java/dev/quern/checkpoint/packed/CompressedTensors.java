package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.ModulePattern;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.DType;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Checkpoints of the compressed-tensors library (llm-compressor, vLLM). Groups say how the modules they target are
 * packed; what a module's tensors are called says that it is packed at all.
 */
final class CompressedTensors {
    private static final String KNOWN = "pack-quantized, int-quantized, float-quantized, naive-quantized, "
            + "nvfp4-pack-quantized, mxfp4-pack-quantized";

    private CompressedTensors() {}

    /**
     * One of {@code config_groups}.
     *
     * @param classes names of module classes, "Linear" for instance, or whole module names
     * @param groupSize columns that share a scale, or -1
     * @param block sizes of blocks that share one, or empty
     */
    record Group(
            String name,
            String format,
            List<String> classes,
            List<ModulePattern> patterns,
            int bits,
            String type,
            long groupSize,
            List<Long> block) {}

    static String unpack(QuantizationConfig config, Parts parts) {
        if (config.has("sparsity_config.format")
                && !config.text("sparsity_config.format").orElse("dense").equals("dense")) {
            throw config.unread(
                    "sparsity_config.format",
                    config.text("sparsity_config.format").orElse(""),
                    "dense");
        }
        List<Group> groups = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : config.entries("config_groups")) {
            if (entry.getValue().path("weights").isObject()) {
                groups.add(group(config, entry.getKey(), entry.getValue()));
            }
        }
        if (groups.isEmpty()) {
            throw config.refused("config_groups", "names no weights");
        }
        Ignored ignored = new Ignored(config);
        SequencedSet<String> formats = new LinkedHashSet<>();
        Stream.of(parts.stems(".weight_packed"), parts.stems(".weight_scale"))
                .flatMap(List::stream)
                .distinct()
                .forEach(module -> {
                    if (ignored.holds(module)) {
                        throw config.refused("ignore", "lists " + Quoted.of(module) + ", and it is packed");
                    }
                    Group group = groupOf(config, groups, module);
                    formats.add(group.format());
                    add(group, module, parts);
                });
        parts.dropEnding(
                ".input_scale",
                ".input_zero_point",
                ".input_global_scale",
                ".output_scale",
                ".output_zero_point",
                ".k_scale",
                ".v_scale",
                ".q_scale");
        return "compressed-tensors (" + String.join(", ", formats) + ")";
    }

    private static Group group(QuantizationConfig config, String name, JsonNode node) {
        String where = "config_groups." + name;
        JsonNode weights = node.path("weights");
        String common = config.text("format").orElse("");
        JsonNode own = node.path("format");
        String format = own.isString() ? own.stringValue() : common;
        List<String> classes = new ArrayList<>();
        List<ModulePattern> patterns = new ArrayList<>();
        for (JsonNode target : node.path("targets").values()) {
            String text = target.asString();
            if (text.startsWith("re:")) {
                patterns.add(ModulePattern.of(config.config().file(), text.substring(3)));
            } else {
                classes.add(text);
            }
        }
        if (classes.isEmpty() && patterns.isEmpty()) {
            throw config.refused(where + ".targets", "is not there");
        }
        long bits = number(config, where + ".weights.num_bits", weights.path("num_bits"), -1);
        config.bits(where + ".weights.num_bits", bits, List.of(1, 2, 3, 4, 5, 6, 7, 8));
        long size = number(config, where + ".weights.group_size", weights.path("group_size"), -1);
        List<Long> block = new ArrayList<>();
        for (JsonNode length : weights.path("block_structure").values()) {
            block.add(number(config, where + ".weights.block_structure", length, 0));
        }
        if (!block.isEmpty() && (block.size() != 2 || block.stream().anyMatch(b -> b < 1 || b > 1 << 20))) {
            throw config.refused(where + ".weights.block_structure", "expected two block sizes, found " + block);
        }
        return new Group(
                name,
                format,
                List.copyOf(classes),
                List.copyOf(patterns),
                (int) bits,
                weights.path("type").asString("int").toLowerCase(Locale.ROOT),
                config.checkedGroup(where + ".weights.group_size", size),
                List.copyOf(block));
    }

    private static long number(QuantizationConfig config, String where, JsonNode node, long fallback) {
        if (node.isMissingNode() || node.isNull()) {
            return fallback;
        }
        if (!node.isIntegralNumber() || !node.canConvertToLong()) {
            throw config.refused(where, "expected an integer");
        }
        return node.longValue();
    }

    /** A module's own name goes before a pattern, and that before the name of its class. */
    private static Group groupOf(QuantizationConfig config, List<Group> groups, String module) {
        for (Group group : groups) {
            if (group.classes().contains(module)) {
                return group;
            }
        }
        for (Group group : groups) {
            if (group.patterns().stream().anyMatch(pattern -> pattern.matches(module))) {
                return group;
            }
        }
        // What class a module is the checkpoint does not say; those that are packed are Linear.
        List<Group> byClass = groups.stream()
                .filter(group -> group.classes().stream().anyMatch(name -> !name.contains(".")))
                .toList();
        if (byClass.size() == 1) {
            return byClass.getFirst();
        }
        throw config.refused(
                "config_groups",
                (byClass.isEmpty() ? "no group targets " : "several groups target the class of ") + Quoted.of(module));
    }

    /** Modules that are not packed. Names of classes in the list ("Embedding") say nothing about a name. */
    private record Ignored(List<String> names, List<ModulePattern> patterns) {
        Ignored(QuantizationConfig config) {
            this(
                    config.texts("ignore"),
                    config.texts("ignore").stream()
                            .filter(name -> name.startsWith("re:"))
                            .map(name -> ModulePattern.of(config.config().file(), name.substring(3)))
                            .toList());
        }

        boolean holds(String module) {
            return names.contains(module) || patterns.stream().anyMatch(pattern -> pattern.matches(module));
        }
    }

    private static void add(Group group, String module, Parts parts) {
        String weight = module + ".weight";
        switch (group.format()) {
            case "pack-quantized" -> PackedRows.add(weight, group, parts);
            case "nvfp4-pack-quantized" -> FloatPairs.addCompressedNvfp4(weight, parts);
            case "mxfp4-pack-quantized" -> FloatPairs.addCompressedMxfp4(weight, parts);
            case "int-quantized", "float-quantized", "naive-quantized" -> {
                Part codes = parts.part(weight);
                if (group.type().equals("float")) {
                    codes.expect(DType.F8_E4M3, DType.F8_E5M2);
                } else {
                    codes.expect(DType.I8);
                }
                Part scales = parts.part(weight + "_scale");
                Optional<Part> zeros = parts.find(weight + "_zero_point");
                ScaledWeights.add(codes, scales, zeros, blocks(group, scales), parts);
            }
            default -> throw unread(group, parts, weight);
        }
    }

    private static List<Long> blocks(Group group, Part scales) {
        if (!group.block().isEmpty() || group.groupSize() < 0 || scales.elements() == 1) {
            return group.block();
        }
        return List.of(1L, group.groupSize());
    }

    private static InputException unread(Group group, Parts parts, String weight) {
        return parts.refused(
                        weight,
                        "is in the compressed-tensors format " + Quoted.of(group.format())
                                + ", which is not read; known: " + KNOWN)
                .withHint("decompress it first (compressed_tensors: ModelCompressor.decompress), or get the checkpoint"
                        + " before it was quantized");
    }
}
