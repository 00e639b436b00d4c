package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import tools.jackson.databind.JsonNode;

/**
 * What a checkpoint says of its packing: {@code quantization_config} in config.json, or the file of their own that some
 * producers write instead.
 *
 * @param prefix where in {@code config} the fields stand, "" or ending in a dot
 * @param method the packing's name, as transformers has it
 */
record QuantizationConfig(ModelConfig config, String prefix, String method) {
    /** Files that stand in for a missing quantization_config, with the method they mean. */
    private static final List<List<String>> OLDER = List.of(
            List.of("quantize_config.json", "", "gptq"),
            List.of("quant_config.json", "", "awq"),
            List.of("hf_quant_config.json", "quantization.", "modelopt"));

    static Optional<QuantizationConfig> of(Checkpoint checkpoint) {
        ModelConfig config = checkpoint.config();
        for (String key : List.of("quantization_config", "text_config.quantization_config", "compression_config")) {
            if (config.has(key)) {
                String prefix = key + ".";
                String fallback = key.equals("compression_config") ? "compressed-tensors" : "";
                String method = config.text(prefix + "quant_method").orElse(fallback);
                if (method.isEmpty() && config.bool(prefix + "load_in_8bit").orElse(false)) {
                    method = "bitsandbytes";
                }
                if (method.isEmpty()) {
                    throw config.refused(key, "has no quant_method, so how the weights are packed is not known");
                }
                return Optional.of(new QuantizationConfig(config, prefix, method));
            }
        }
        for (List<String> older : OLDER) {
            Path file = checkpoint.directory().resolve(older.get(0));
            if (Files.isRegularFile(file)) {
                return Optional.of(new QuantizationConfig(ModelConfig.read(file), older.get(1), older.get(2)));
            }
        }
        return Optional.empty();
    }

    boolean has(String key) {
        return config.has(prefix + key);
    }

    Optional<String> text(String key) {
        return config.text(prefix + key);
    }

    Optional<Boolean> bool(String key) {
        return config.bool(prefix + key);
    }

    OptionalLong integer(String key) {
        return config.integer(prefix + key);
    }

    List<Long> integers(String key) {
        return config.integers(prefix + key);
    }

    List<String> texts(String key) {
        return config.texts(prefix + key);
    }

    /** Bits of a code under any of its names. */
    int bits(List<Integer> known, String... keys) {
        for (String key : keys) {
            OptionalLong value = integer(key);
            if (value.isPresent()) {
                return bits(key, value.getAsLong(), known);
            }
        }
        throw refused(keys[0], "is not there");
    }

    int bits(String key, long value, List<Integer> known) {
        if (value < 1 || value > 64 || !known.contains((int) value)) {
            throw InputException.expected(config.file(), prefix + key, oneOf(known), value);
        }
        return (int) value;
    }

    /** @return values that share a scale; -1 for whole rows */
    long groupSize(String... keys) {
        for (String key : keys) {
            OptionalLong value = integer(key);
            if (value.isPresent()) {
                return checkedGroup(key, value.getAsLong());
            }
        }
        return -1;
    }

    long checkedGroup(String key, long value) {
        if (value < -1 || value == 0 || value > 1 << 24) {
            throw InputException.expected(config.file(), prefix + key, "a group size, or -1 for whole rows", value);
        }
        return value;
    }

    /** A field that is an object, or an empty list of entries. */
    Iterable<java.util.Map.Entry<String, JsonNode>> entries(String key) {
        JsonNode node = config.json();
        for (String name : (prefix + key).split("\\.", -1)) {
            node = node.path(name);
        }
        return node.isObject() ? new ArrayList<>(node.properties()) : List.of();
    }

    InputException refused(String key, String problem) {
        return config.refused(prefix + key, problem);
    }

    /** A packing that exists and is not read. */
    InputException unread(String key, String value, String known) {
        return refused(key, Quoted.of(value) + " is a packing that is not read; known: " + known)
                .withHint("get the checkpoint before it was quantized, or unpack it with the library that packed it"
                        + " (transformers: model.dequantize())");
    }

    private static String oneOf(List<Integer> known) {
        List<String> texts = known.stream().map(String::valueOf).toList();
        return texts.size() == 1
                ? texts.getFirst()
                : String.join(", ", texts.subList(0, texts.size() - 1)) + " or " + texts.getLast();
    }
}
