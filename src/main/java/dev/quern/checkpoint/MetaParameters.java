package dev.quern.checkpoint;

import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Meta's {@code params.json} in Hugging Face's words. What Meta leaves unsaid is filled in by the rules of Meta's own
 * code (llama/model.py) and of the converters that everybody used (transformers' convert_llama_weights_to_hf.py and
 * llama.cpp's former convert.py).
 */
final class MetaParameters {
    private static final Set<String> USED = Set.of(
            "dim",
            "n_layers",
            "n_heads",
            "n_kv_heads",
            "multiple_of",
            "ffn_dim_multiplier",
            "hidden_dim",
            "norm_eps",
            "vocab_size",
            "rope_theta",
            "use_scaled_rope",
            "rope_scaling_factor",
            "head_dim",
            "max_position_embeddings",
            "max_batch_size",
            "max_seq_len");

    private final ModelConfig params;
    private final List<Weights> shards;
    private final ObjectNode out = JsonNodeFactory.instance.objectNode();

    /** Whether every tensor lies whole in one of the files, as Mistral has it, and is not cut over all of them. */
    private final boolean whole;

    private MetaParameters(ModelConfig params, List<Weights> shards, boolean whole) {
        this.params = params;
        this.shards = shards;
        this.whole = whole;
    }

    static ModelConfig translate(Path file, List<Weights> shards) {
        ModelConfig config =
                new ModelConfig(file, new MetaParameters(ModelConfig.read(file), shards, false).translated());
        config.checkHeads();
        return config;
    }

    /** Mistral's params.json, which uses Meta's words. */
    static ModelConfig translateWhole(Path file, List<Weights> parts) {
        ModelConfig config =
                new ModelConfig(file, new MetaParameters(ModelConfig.read(file), parts, true).translated());
        config.checkHeads();
        return config;
    }

    /** Fields that have no counterpart and were passed over, for a note. */
    static List<String> unused(Path file) {
        List<String> unused = new ArrayList<>(ModelConfig.read(file).json().propertyNames());
        unused.removeAll(USED);
        return unused;
    }

    private ObjectNode translated() {
        refuseOtherModels();
        out.putArray("architectures").add("LlamaForCausalLM");
        out.put("model_type", "llama");
        long width = params.requireInteger("dim");
        long heads = params.requireInteger("n_heads");
        params.integer("head_dim").ifPresent(size -> out.put("head_dim", size));
        if (!out.has("head_dim") && width % heads != 0) {
            throw params.refused("n_heads", heads + " does not divide dim " + width);
        }
        out.put("hidden_size", width);
        out.put("num_hidden_layers", params.requireInteger("n_layers"));
        out.put("num_attention_heads", heads);
        out.put("num_key_value_heads", params.integer("n_kv_heads").orElse(heads));
        out.put("intermediate_size", params.integer("hidden_dim").orElseGet(() -> feedForwardWidth(width)));
        out.put("rms_norm_eps", params.requireReal("norm_eps"));
        out.put("vocab_size", vocabulary(width));
        out.put("tie_word_embeddings", shards.stream().noneMatch(shard -> shard.holds("output.weight")));
        putRope(width);
        out.put("torch_dtype", dtype());
        return out;
    }

    private void refuseOtherModels() {
        for (String field : params.json().propertyNames()) {
            if (field.equals("moe") || field.equals("moe_args")) {
                throw params.refused(field, "a mixture of experts (Mixtral, Llama 4) in Meta's layout is not read")
                        .withHint("use the checkpoint in Hugging Face's layout");
            }
            if (field.equals("quantization_args") || field.equals("lora_args")) {
                throw params.refused(field, "a quantized checkpoint in Meta's layout is not read")
                        .withHint("use the checkpoint in full precision");
            }
            if (field.startsWith("vision_")) {
                throw params.refused(field, "a vision model in Meta's layout is not read");
            }
        }
    }

    /**
     * Meta's FeedForward: two thirds of four times the width, times the multiplier, rounded up to a multiple; each step
     * cut to an integer as Python's int() does.
     */
    private long feedForwardWidth(long width) {
        long multiple = params.requireInteger("multiple_of");
        long hidden = 2 * (4 * width) / 3;
        double multiplier = params.real("ffn_dim_multiplier").orElse(1);
        if (multiplier <= 0 || multiplier > 1024) {
            throw params.refused("ffn_dim_multiplier", "expected a number above 0 and up to 1024, found " + multiplier);
        }
        hidden = (long) (multiplier * hidden);
        return multiple * ((hidden + multiple - 1) / multiple);
    }

    /**
     * Meta writes -1 where the tokenizer decides (LLaMA 1 and 2). The output matrix then tells: it is parallel over
     * rows in every version. Where it is missing, the embedding tells, unless its rows could be either.
     */
    private long vocabulary(long width) {
        JsonNode given = params.json().path("vocab_size");
        if (!given.isMissingNode() && !given.isNull() && !(given.isIntegralNumber() && given.longValue() == -1)) {
            return params.requireInteger("vocab_size");
        }
        if (whole) {
            return tensor("tok_embeddings.weight").info().shape().dims().length == 2
                    ? tensor("tok_embeddings.weight").info().shape().dim(0)
                    : 0;
        }
        TensorSource output = shards.getFirst().tensors().get("output.weight");
        if (output != null) {
            return output.info().shape().dims().length == 2
                    ? output.info().shape().dim(0) * shards.size()
                    : 0;
        }
        Shape embedding =
                shards.getFirst().tensor("tok_embeddings.weight").info().shape();
        boolean byColumns = embedding.rank() == 2 && embedding.dim(1) != width;
        return byColumns ? embedding.dim(0) : embedding.dim(0) * shards.size();
    }

    private void putRope(long width) {
        double theta = params.real("rope_theta").orElse(10_000);
        out.put("rope_theta", theta);
        boolean scaled = params.bool("use_scaled_rope").orElse(false);
        out.put("max_position_embeddings", scaled ? 131_072 : whole ? mistralContext() : context(theta));
        if (scaled) {
            out.putObject("rope_scaling")
                    .put("rope_type", "llama3")
                    .put("factor", params.real("rope_scaling_factor").orElseGet(() -> scalingFactor(width)))
                    .put("low_freq_factor", 1.0)
                    .put("high_freq_factor", 4.0)
                    .put("original_max_position_embeddings", 8192);
        }
    }

    /** Where Mistral's file does not say: 32768, as the config.json of each 7B has. */
    private long mistralContext() {
        long written = params.integer("max_position_embeddings")
                .orElseGet(() -> params.integer("max_seq_len").orElse(0L));
        return written > 0 ? written : 32_768;
    }

    /**
     * Meta's code has 8 for Llama 3.1. The 1B and 3B of Llama 3.2 say use_scaled_rope too, but were trained with 32, as
     * their config.json and convert_llama_weights_to_hf.py say; only their sizes tell them apart.
     */
    private double scalingFactor(long width) {
        long layers = params.requireInteger("n_layers");
        return width == 2048 && layers == 16 || width == 3072 && layers == 28 ? 32 : 8;
    }

    /**
     * params.json does not say how long a context may be. As in llama.cpp's convert.py: Code Llama is known by its rope
     * base, LLaMA 1 by its epsilon; Llama 3 by its rope base.
     */
    private long context(double theta) {
        if (theta == 1_000_000) {
            return 16_384;
        }
        if (theta == 500_000) {
            return 8192;
        }
        return params.requireReal("norm_eps") == 1e-6 ? 2048 : 4096;
    }

    private TensorSource tensor(String name) {
        return shards.stream()
                .filter(shard -> shard.holds(name))
                .findFirst()
                .orElse(shards.getFirst())
                .tensor(name);
    }

    private String dtype() {
        DType dtype = tensor("tok_embeddings.weight").info().dtype();
        return switch (dtype) {
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            case F32 -> "float32";
            case F64 -> "float64";
            case F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ, F8_E8M0, I64, I32, I16, I8, U64, U32, U16, U8, BOOL ->
                throw shards.getFirst().refused("tok_embeddings.weight", "expected weights in floats, found " + dtype);
        };
    }
}
