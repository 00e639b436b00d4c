package dev.quern.checkpoint.lora;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.checkpoint.ModulePattern;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Strided;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;

/**
 * An adapter as PEFT saves it: adapter_config.json, and adapter_model.safetensors or .bin with the matrices A [rank, in]
 * and B [out, rank] of each module (an embedding's A is [rank, tokens], its B [width, rank]).
 */
public final class LoraAdapter implements AutoCloseable {
    private static final String PREFIX = "base_model.model.";

    /** Variants of LoRA, by the field that turns them on, whose arithmetic is another. */
    private static final List<String> VARIANTS = List.of(
            "use_qalora",
            "use_bdlora",
            "lora_bias",
            "trainable_token_indices",
            "target_parameters",
            "layer_replication",
            "arrow_config",
            "megatron_config",
            "monteclora_config",
            "velora_config");

    /** Ways to begin training that change the base model's own weights: the adapter belongs to those. */
    private static final List<String> BASE_CHANGING = List.of("pissa", "olora", "corda", "loftq", "lora_ga");

    /**
     * What an adapter does to one weight.
     *
     * @param b [out, rank], or for an embedding [width, rank]
     * @param a [rank, in], or for an embedding [rank, tokens]
     * @param scale what B·A is multiplied by
     * @param alpha the configuration's alpha for this module
     * @param magnitudes DoRA's lengths of the rows
     */
    public record Update(
            TensorSource b,
            TensorSource a,
            float scale,
            double alpha,
            boolean embedding,
            Optional<TensorSource> magnitudes) {

        public long rank() {
            return a.info().shape().dim(0);
        }

        /** The factor whose rows are the weight's rows. */
        TensorSource left() {
            return embedding ? Strided.transposed(a) : b;
        }

        TensorSource right() {
            return embedding ? Strided.transposed(b) : a;
        }
    }

    private final Checkpoint files;
    private final SequencedMap<String, Update> updates = new LinkedHashMap<>();
    private final SequencedMap<String, TensorSource> replaced = new LinkedHashMap<>();

    private LoraAdapter(Checkpoint files) {
        this.files = files;
    }

    /** @throws InputException when it is no LoRA adapter, or one whose arithmetic is not known */
    public static LoraAdapter open(Path directory) {
        Checkpoint files = Checkpoints.openAdapter(directory);
        try {
            LoraAdapter adapter = new LoraAdapter(files);
            adapter.checkConfiguration();
            adapter.read();
            return adapter;
        } catch (RuntimeException | Error e) {
            files.close();
            throw e;
        }
    }

    /** By the name of the base model's weight. */
    public SequencedMap<String, Update> updates() {
        return updates;
    }

    /** Weights and biases that take the place of the base model's whole, by name. */
    public SequencedMap<String, TensorSource> replaced() {
        return replaced;
    }

    public ModelConfig config() {
        return files.config();
    }

    public Path directory() {
        return files.directory();
    }

    public List<MappedFile> files() {
        return files.files();
    }

    /** What is odd about its files. */
    List<String> notes() {
        return files.notes();
    }

    /** As {@link Checkpoint#verifyChecksums}. */
    public void verifyChecksums() {
        files.verifyChecksums();
    }

    @Override
    public void close() {
        files.close();
    }

    public InputException refused(String tensor, String problem) {
        return InputException.of(directory(), "tensor " + Quoted.of(tensor), problem);
    }

    private void checkConfiguration() {
        ModelConfig config = config();
        String type = config.text("peft_type").orElse("LORA");
        if (!type.equals("LORA")) {
            throw config.refused("peft_type", Quoted.of(type) + " is not read, only LORA is")
                    .withHint("merge it into its base model with PEFT (merge_and_unload), and convert that");
        }
        for (String variant : VARIANTS) {
            if (isSet(config.json().path(variant))) {
                throw config.refused(variant, "this variant of LoRA is not read")
                        .withHint("merge it into its base model with PEFT (merge_and_unload), and convert that");
            }
        }
        JsonNode begin = config.json().path("init_lora_weights");
        if (begin.isString()
                && BASE_CHANGING.stream()
                        .anyMatch(begin.stringValue().toLowerCase(java.util.Locale.ROOT)::startsWith)) {
            throw config.refused(
                            "init_lora_weights",
                            Quoted.of(begin.stringValue())
                                    + " changes the base model's weights before training, so the "
                                    + "adapter does not belong to the published ones")
                    .withHint("save it as a plain LoRA (PEFT: save_pretrained with"
                            + " path_initial_model_for_weight_conversion)");
        }
    }

    private static boolean isSet(JsonNode node) {
        return !(node.isMissingNode()
                || node.isNull()
                || node.isBoolean() && !node.booleanValue()
                || node.isContainer() && node.isEmpty());
    }

    private void read() {
        Map<String, String> a = new LinkedHashMap<>();
        Map<String, String> b = new LinkedHashMap<>();
        Map<String, String> magnitudes = new LinkedHashMap<>();
        for (String name : files.tensors().keySet()) {
            if (!name.startsWith(PREFIX)) {
                throw refused(name, "expected a name that begins with " + PREFIX);
            }
            String own = name.substring(PREFIX.length());
            String module = own.replaceFirst("\\.lora_.*", "");
            String part = own.substring(module.length());
            switch (part) {
                case ".lora_A.weight", ".lora_A.default.weight", ".lora_embedding_A", ".lora_embedding_A.default" ->
                    a.put(module, name);
                case ".lora_B.weight", ".lora_B.default.weight", ".lora_embedding_B", ".lora_embedding_B.default" ->
                    b.put(module, name);
                case ".lora_magnitude_vector",
                        ".lora_magnitude_vector.weight",
                        ".lora_magnitude_vector.default.weight" -> magnitudes.put(module, name);
                case "" -> replace(own, name);
                default -> throw refused(name, "is no part of a LoRA adapter that is read");
            }
        }
        a.forEach((module, name) -> {
            String other = b.remove(module);
            if (other == null) {
                throw refused(name, "has no lora_B beside it");
            }
            updates.put(
                    module + ".weight", update(module, name, other, Optional.ofNullable(magnitudes.remove(module))));
        });
        for (Map<String, String> left : List.of(b, magnitudes)) {
            left.values().stream().findFirst().ifPresent(name -> {
                throw refused(name, "has no lora_A beside it");
            });
        }
        if (updates.isEmpty()) {
            throw InputException.of(directory(), "holds no lora_A and lora_B");
        }
    }

    /** modules_to_save, and biases that were trained: whole tensors. */
    private void replace(String own, String name) {
        String base = own.replace(".modules_to_save.default.", ".")
                .replace(".modules_to_save.", ".")
                .replace(".base_layer.", ".")
                .replace(".original_module.", ".");
        if (own.contains(".base_layer.") || own.contains(".original_module.")) {
            return; // The base model's own weight, saved along.
        }
        replaced.put(base, open(name));
    }

    private TensorSource open(String name) {
        return files.open(
                name,
                java.util.Objects.requireNonNull(files.tensors().get(name)).shape());
    }

    private Update update(String module, String aName, String bName, Optional<String> magnitude) {
        TensorSource a = open(aName);
        TensorSource b = open(bName);
        Shape aShape = a.info().shape();
        Shape bShape = b.info().shape();
        if (aShape.rank() != 2 || bShape.rank() != 2 || aShape.dim(0) != bShape.dim(1) || aShape.dim(0) == 0) {
            throw refused(bName, "its shape " + bShape + " does not go with lora_A's " + aShape);
        }
        long rank = aShape.dim(0);
        OptionalLong expected = rank(module);
        if (expected.isPresent() && expected.getAsLong() != rank) {
            throw refused(aName, "has rank " + rank + ", adapter_config.json says " + expected.getAsLong());
        }
        double alpha = alpha(module);
        boolean rootOfRank = config().bool("use_rslora").orElse(false);
        double scale = alpha / (rootOfRank ? Math.sqrt((double) rank) : (double) rank);
        if (!Double.isFinite(scale)) {
            throw config().refused("lora_alpha", "expected a finite number");
        }
        Optional<TensorSource> lengths = magnitude.map(name -> {
            TensorSource source = open(name);
            if (source.info().shape().elements() != bShape.dim(0)) {
                throw refused(
                        name,
                        "expected " + bShape.dim(0) + " lengths, found the shape "
                                + source.info().shape());
            }
            return source;
        });
        if (config().bool("use_dora").orElse(false) && lengths.isEmpty()) {
            throw refused(aName, "use_dora is true, and there is no lora_magnitude_vector");
        }
        boolean embedding = aName.contains(".lora_embedding_A");
        if (embedding && lengths.isPresent()) {
            throw refused(aName, "DoRA of an embedding is not read");
        }
        return new Update(b, a, (float) scale, alpha, embedding, lengths);
    }

    private OptionalLong rank(String module) {
        Optional<JsonNode> own = pattern("rank_pattern", module);
        if (own.isPresent()) {
            if (!own.get().isIntegralNumber()) {
                throw config().refused("rank_pattern", "expected integers");
            }
            return OptionalLong.of(own.get().longValue());
        }
        return config().integer("r");
    }

    private double alpha(String module) {
        Optional<JsonNode> own = pattern("alpha_pattern", module);
        if (own.isPresent()) {
            if (!own.get().isNumber()) {
                throw config().refused("alpha_pattern", "expected numbers");
            }
            return own.get().doubleValue();
        }
        OptionalDouble common = config().real("lora_alpha");
        return common.isPresent() ? common.getAsDouble() : config().requireReal("lora_alpha");
    }

    /** PEFT's get_pattern_key: the first key that is the module's name or the end of it, as a regular expression. */
    private Optional<JsonNode> pattern(String field, String module) {
        for (Map.Entry<String, JsonNode> entry : config().json().path(field).properties()) {
            if (ModulePattern.of(config().file(), "(.*\\.)?(" + entry.getKey() + ")$")
                    .matches(module)) {
                return Optional.of(entry.getValue());
            }
        }
        return Optional.empty();
    }
}
