package dev.quern.evaluation;

import dev.quern.architecture.ForwardPass;
import dev.quern.evaluation.Hyperparameters.Experts;
import dev.quern.evaluation.Hyperparameters.Gating;
import dev.quern.evaluation.Hyperparameters.Latent;
import dev.quern.evaluation.Hyperparameters.Rope;
import dev.quern.evaluation.Hyperparameters.Scales;
import dev.quern.gguf.GgufValue;
import dev.quern.io.Quoted;
import java.util.Optional;

/** Finds a model's hyperparameters under their keys, and says what cannot be. */
record HyperparametersReader(Keys keys, ForwardPass pass) {
    Hyperparameters read(int blocks) {
        keys.required("block_count", Keys.MOST_BLOCKS);
        if (pass.attention() == ForwardPass.Mixing.SELECTIVE_SCAN) {
            return scanned(blocks);
        }
        int width = keys.required("embedding_length", Keys.MOST);
        int heads = keys.required("attention.head_count", Keys.MOST);
        int keyValueHeads = keys.optional("attention.head_count_kv", heads, Keys.MOST);
        if (heads % keyValueHeads != 0) {
            throw keys.refused(
                    "attention.head_count_kv", "expected a divisor of the " + heads + " heads, found " + keyValueHeads);
        }
        int keyLength = headLength("attention.key_length", width, heads);
        int valueLength = headLength("attention.value_length", width, heads);
        Latent latent = latent(keyLength, valueLength);
        Rope rope = rope(latent.rank() > 0 ? latent.keyLength() : keyLength);
        int window = keys.count("attention.sliding_window", 0);
        boolean[] sliding = sliding(blocks, window);
        Rope slidingRope = slidingRope(rope);
        boolean bidirectional = !causal(!pass.bidirectional());
        boolean parallel = switch (pass.residual()) {
            case SEQUENTIAL -> false;
            case PARALLEL_WITHOUT_NORM -> {
                // Files say true of all StableLM models; the tensors say what is so.
                keys.flag("use_parallel_residual");
                yield false;
            }
            case PARALLEL -> true;
            case KEY -> keys.flag("use_parallel_residual");
        };
        int context = keys.required("context_length", Integer.MAX_VALUE);
        Experts experts = experts(blocks);
        boolean dense = experts.count() == 0 || experts.firstBlock() > 0;
        int feedForward = dense
                ? keys.required("feed_forward_length", Keys.MOST)
                : keys.optional("feed_forward_length", 0, Keys.MOST);
        float epsilon = epsilon();
        Scales scales = scales(width, heads, latent.rank() > 0 ? latent.keyLength() : keyLength, rope);
        keys.refuseUnread();
        return new Hyperparameters(
                pass,
                context,
                width,
                blocks,
                feedForward,
                heads,
                keyValueHeads,
                keyLength,
                valueLength,
                epsilon,
                rope,
                slidingRope,
                window,
                sliding,
                bidirectional,
                parallel,
                scales,
                experts,
                latent,
                Hyperparameters.Scan.NONE);
    }

    /** Without attention: what is said of heads is said because readers ask for it. */
    private Hyperparameters scanned(int blocks) {
        keys.has("attention.head_count");
        keys.has("feed_forward_length");
        Hyperparameters.Scan scan = new Hyperparameters.Scan(
                keys.required("ssm.conv_kernel", Keys.MOST),
                keys.required("ssm.inner_size", Keys.MOST),
                keys.required("ssm.state_size", Keys.MOST),
                keys.required("ssm.time_step_rank", Keys.MOST),
                keys.flag("ssm.dt_b_c_rms"));
        int context = keys.required("context_length", Integer.MAX_VALUE);
        int width = keys.required("embedding_length", Keys.MOST);
        float epsilon = epsilon();
        keys.refuseUnread();
        return new Hyperparameters(
                pass,
                context,
                width,
                blocks,
                0,
                0,
                0,
                0,
                0,
                epsilon,
                Rope.none(context),
                Rope.none(context),
                0,
                new boolean[blocks],
                false,
                false,
                new Scales(1, 1, 1, 1, 0, 0, 0, 0),
                Experts.none(blocks),
                Latent.NONE,
                scan);
    }

    private float epsilon() {
        return (float) keys.positive(
                pass.norm() == ForwardPass.Norm.RMS
                        ? "attention.layer_norm_rms_epsilon"
                        : "attention.layer_norm_epsilon",
                Optional.empty());
    }

    private int headLength(String key, int width, int heads) {
        if (keys.has(key)) {
            return keys.required(key, Keys.MOST);
        }
        if (width % heads != 0) {
            throw keys.refused(
                    "attention.head_count", "expected a divisor of embedding_length " + width + ", found " + heads);
        }
        return width / heads;
    }

    private boolean causal(boolean otherwise) {
        return keys.any("attention.causal")
                .map(value -> {
                    if (!(value instanceof GgufValue.Bool causal)) {
                        throw keys.refused(
                                "attention.causal", "expected true or false, found " + Keys.described(value));
                    }
                    return causal.value();
                })
                .orElse(otherwise);
    }

    private Latent latent(int keyLength, int valueLength) {
        if (pass.attention() != ForwardPass.Mixing.LATENT) {
            return Latent.NONE;
        }
        return new Latent(
                keys.count("attention.q_lora_rank", 0),
                keys.required("attention.kv_lora_rank", Keys.MOST),
                keys.optional("attention.key_length_mla", keyLength, Keys.MOST),
                keys.optional("attention.value_length_mla", valueLength, Keys.MOST));
    }

    private Rope rope(int keyLength) {
        if (pass.rope() == ForwardPass.Rope.NONE) {
            // Files of Baichuan 13B have it like those of 7B, and nothing turns.
            keys.has("rope.dimension_count");
            return Rope.none(0);
        }
        int rotated = keys.optional("rope.dimension_count", keyLength, Keys.MOST);
        if (rotated % 2 != 0 || rotated > keyLength) {
            throw keys.refused(
                    "rope.dimension_count",
                    "expected an even number up to the head's " + keyLength + ", found " + rotated);
        }
        double base = keys.positive("rope.freq_base", Optional.of(10000.0));
        // As llama.cpp reads it: a factor without a type is linear, and the type "none" switches the factor off.
        String type = keys.text("rope.scaling.type", "linear");
        double factor = keys.real("rope.scaling.factor").orElse(0.0);
        if (factor < 0 || !Double.isFinite(factor)) {
            throw keys.refused("rope.scaling.factor", "expected a positive number, found " + factor);
        }
        double scale = factor == 0 ? 1 : 1 / factor;
        int original = keys.optional(
                "rope.scaling.original_context_length",
                keys.required("context_length", Integer.MAX_VALUE),
                Integer.MAX_VALUE);
        double magnitude = keys.positive("rope.scaling.attn_factor", Optional.of(1.0));
        return switch (type) {
            case "none" -> new Rope(pass.rope(), rotated, base, 1, 0, 0, 0, true, original, magnitude);
            case "linear", "longrope" ->
                new Rope(pass.rope(), rotated, base, scale, 0, 0, 0, true, original, magnitude);
            case "yarn" -> {
                double all = keys.number("rope.scaling.yarn_log_multiplier", 0);
                // DeepSeek's two magnitudes cancel; theirs is part of the attention's scale.
                double own = all == 0 ? 1 + 0.1 * Math.log(1 / scale) : 1;
                yield new Rope(
                        pass.rope(),
                        rotated,
                        base,
                        scale,
                        keys.positive("rope.scaling.yarn_ext_factor", Optional.of(1.0)),
                        keys.positive("rope.scaling.yarn_beta_fast", Optional.of(32.0)),
                        keys.positive("rope.scaling.yarn_beta_slow", Optional.of(1.0)),
                        keys.number("rope.scaling.yarn_truncate", 1) != 0,
                        original,
                        magnitude * (scale < 1 ? own : 1));
            }
            default ->
                throw keys.refused(
                        "rope.scaling.type",
                        "the evaluator knows \"none\", \"linear\", \"yarn\" and \"longrope\", found "
                                + Quoted.of(type));
        };
    }

    private Rope slidingRope(Rope rope) {
        double base = keys.number("rope.freq_base_swa", 0);
        return switch (pass.slidingRope()) {
            case SAME -> rope.withBase(base == 0 ? rope.base() : base);
            case LOCAL -> rope.unscaled(base == 0 ? 10000 : base);
            case UNSCALED -> rope.unscaled(base == 0 ? rope.base() : base);
        };
    }

    /** Of every n blocks the last sees everything; a file may say it block by block. */
    private boolean[] sliding(int blocks, int window) {
        boolean[] sliding = new boolean[blocks];
        int every = pass.fullAttentionEvery();
        Optional<GgufValue> pattern = pass.keys().contains("attention.sliding_window_pattern")
                ? keys.any("attention.sliding_window_pattern")
                : Optional.empty();
        if (pattern.isPresent() && pattern.get() instanceof GgufValue.Ints each) {
            if (each.values().length != blocks) {
                throw keys.refused(
                        "attention.sliding_window_pattern",
                        "expected one for each of " + blocks + " blocks, found " + each.values().length);
            }
            for (int i = 0; i < blocks; i++) {
                sliding[i] = window > 0 && each.values()[i] != 0;
            }
            return sliding;
        }
        if (pattern.isPresent()) {
            every = keys.count("attention.sliding_window_pattern", every);
        }
        for (int i = 0; i < blocks; i++) {
            sliding[i] = window > 0 && (every == 0 || i % every < every - 1);
        }
        return sliding;
    }

    private Experts experts(int blocks) {
        int count = keys.count("expert_count", 0);
        int used = keys.count("expert_used_count", 0);
        int firstBlock = keys.count("leading_dense_block_count", 0);
        if (count == 0) {
            return Experts.none(blocks);
        }
        if (used < 1 || used > count) {
            throw keys.refused("expert_used_count", "expected 1 to " + count + ", found " + used);
        }
        int inner = keys.count("expert_feed_forward_length", 0);
        Gating gating = gating(keys.count("expert_gating_func", 1));
        // What shared experts add up to shows in their tensors' shapes.
        keys.count("expert_shared_count", 0);
        keys.count("expert_shared_feed_forward_length", 0);
        int groups = keys.count("expert_group_count", 0);
        int groupsUsed = keys.count("expert_group_used_count", groups);
        if (groups > 1 && (count % groups != 0 || groupsUsed < 1 || groupsUsed > groups)) {
            throw keys.refused(
                    "expert_group_count",
                    "expected a divisor of " + count + " experts of which some are used, found " + groups + " and "
                            + groupsUsed);
        }
        double scale = keys.number("expert_weights_scale", 1);
        return new Experts(
                count,
                used,
                inner > 0 ? inner : keys.required("feed_forward_length", Keys.MOST),
                firstBlock,
                gating,
                keys.flag("expert_weights_norm"),
                scale == 0 ? 1 : (float) scale,
                groups,
                groupsUsed);
    }

    private Gating gating(int number) {
        return switch (number) {
            case 1 -> Gating.SOFTMAX;
            case 2 -> Gating.SIGMOID;
            case 3 -> Gating.SOFTMAX_OF_CHOSEN;
            default -> throw keys.refused("expert_gating_func", "expected 1 to 3, found " + number);
        };
    }

    private Scales scales(int width, int heads, int keyLength, Rope rope) {
        double attention = switch (pass.attentionScale()) {
            case HEAD -> keys.number("attention.scale", 0);
            case WIDTH_OVER_HEADS -> 1 / Math.sqrt((double) width / heads);
        };
        if (attention == 0) {
            attention = 1 / Math.sqrt(keyLength);
        }
        if (rope.yarn() > 0) {
            // The file has a tenth of DeepSeek's mscale_all_dim.
            double all = keys.number("rope.scaling.yarn_log_multiplier", 0) / 0.1;
            double magnitude = all == 0 ? 1 : 1 + 0.1 * all * Math.log(1 / rope.scale());
            attention *= magnitude * magnitude;
        }
        double embedding = switch (pass.embeddingScale()) {
            case NONE -> nonZero("embedding_scale");
            case SQRT_WIDTH -> Math.sqrt(width);
        };
        double logit = nonZero("logit_scale");
        return new Scales(
                (float) embedding,
                (float) nonZero("residual_scale"),
                (float) (pass.logitScale() == ForwardPass.LogitScale.DIVIDE ? 1 / logit : logit),
                (float) attention,
                cap("attn_logit_softcapping"),
                cap("final_logit_softcapping"),
                cap("attention.max_alibi_bias"),
                cap("attention.clamp_kqv"));
    }

    /** One where the key is missing or zero. */
    private double nonZero(String key) {
        double scale = keys.number(key, 1);
        return scale == 0 ? 1 : scale;
    }

    private float cap(String key) {
        double cap = keys.number(key, 0);
        if (cap < 0) {
            throw keys.refused(key, "expected a positive number, found " + cap);
        }
        return (float) cap;
    }
}
