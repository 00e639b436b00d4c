package dev.quern.quantization;

import dev.quern.tensor.Shape;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Chooses each tensor's type for one file. Ask in file order: some rules count the tensors they have seen, as the
 * reference does.
 */
public final class Mix {
    /**
     * What the rules need to know of the model.
     *
     * @param heads query heads; of the first layer, where layers differ
     * @param keyValueHeads key/value heads of the same layer
     * @param valueTensors how many tensors have the role ATTENTION_V
     * @param tied whether the token embedding serves as output matrix
     */
    public record Traits(
            String architecture,
            int layers,
            int heads,
            int keyValueHeads,
            int experts,
            int valueTensors,
            boolean tied) {
        /** Query heads for each key/value head, rounded down; 0 where there is no attention. */
        int sharedHeads() {
            return keyValueHeads == 0 ? 0 : heads / keyValueHeads;
        }

        /** Seventy-billion models, in which eight heads share each value: llama with 80 layers, and its like. */
        boolean seventyBillion() {
            return switch (architecture) {
                case "llama" -> layers == 80 && heads != keyValueHeads;
                case "qwen2", "deci", "olmo" -> layers == 80;
                case "jais2" -> layers == 68;
                default -> false;
            };
        }
    }

    /** A type, and the rule that chose it. */
    public record Choice(QuantType type, String rule) {}

    /** As sscanf reads {@code blk.%d.}: what comes behind the number does not matter. */
    private static final Pattern LAYER = Pattern.compile("^blk\\.(\\d{1,9})");

    /** Parts of names of tensors that stay as they are: small, or sensitive, or no matrices at all. */
    private static final List<String> KEPT = List.of(
            "_norm.weight",
            "ffn_gate_inp.weight",
            "ffn_gate_tid2eid.weight",
            "altup",
            "laurel",
            "per_layer_model_proj",
            "ssm_conv1d",
            "shortconv.conv.weight",
            "indexer.k_proj.weight",
            "indexer.q_proj.weight",
            "time_mix_first.weight",
            "time_mix_w0.weight",
            "time_mix_w1.weight",
            "time_mix_w2.weight",
            "time_mix_v0.weight",
            "time_mix_v1.weight",
            "time_mix_v2.weight",
            "time_mix_a0.weight",
            "time_mix_a1.weight",
            "time_mix_a2.weight",
            "time_mix_g1.weight",
            "time_mix_g2.weight",
            "time_mix_decay_w1.weight",
            "time_mix_decay_w2.weight",
            "time_mix_lerp_fused.weight",
            "attn_rel_b.weight",
            ".position_embd",
            "sam.pos_embd",
            "sam.neck.",
            "sam.net_",
            ".rel_pos",
            ".patch_embd",
            ".patch_merger",
            "a.rvq.codebook",
            "mm.a.code_embd");

    private final FileType file;
    private final Traits traits;
    private final boolean importance;
    private final MixOptions options;
    private int valuesSeen;
    private int downsSeen;
    private int gatesSeen;
    private int upsSeen;

    /** @param importance whether an importance matrix is given */
    public Mix(FileType file, Traits traits, boolean importance, MixOptions options) {
        this.file = file;
        this.traits = traits;
        this.importance = importance;
        this.options = options;
    }

    /**
     * @param shape outermost dimension first
     * @param current the type the tensor has, which it keeps when the file type does not touch it
     */
    public Choice choose(String name, Shape shape, QuantType current) {
        if (!isQuantizable(name, shape)) {
            return new Choice(current, "kept: " + kept(name, shape, options.leaveOutputTensor()));
        }
        TensorRole role = TensorRole.of(name);
        Optional<QuantType> explicit = switch (role) {
            case TOKEN_EMBEDDING -> options.tokenEmbeddingType();
            case OUTPUT -> options.outputTensorType();
            default -> Optional.empty();
        };
        if (explicit.isPresent()) {
            return new Choice(
                    explicit.get(), role == TensorRole.OUTPUT ? "--output-tensor-type" : "--token-embedding-type");
        }
        if (!file.base().isQuantized()) {
            return new Choice(file.base(), "base");
        }
        return fallback(byRules(name, role, shape), shape);
    }

    /** Whether tensors of this name and shape are quantized unless the user leaves them out. */
    public static boolean quantizes(String name, Shape shape) {
        return kept(name, shape, false).isEmpty();
    }

    /** Whether a tensor's type is the mix's to choose: it is quantized at all, and the user has not said as what. */
    public boolean decides(String name, Shape shape) {
        if (!isQuantizable(name, shape) || !file.base().isQuantized() || options.pure()) {
            return false;
        }
        TensorRole role = TensorRole.of(name);
        boolean asOutput = role == TensorRole.OUTPUT || traits.tied() && role == TensorRole.TOKEN_EMBEDDING;
        boolean said = asOutput && options.outputTensorType().isPresent()
                || role == TensorRole.TOKEN_EMBEDDING
                        && options.tokenEmbeddingType().isPresent()
                || options.overrides().stream()
                        .anyMatch(override -> override.pattern().matcher(name).find());
        return !said;
    }

    private Choice byRules(String name, TensorRole role, Shape shape) {
        for (MixOptions.TypeOverride override : options.overrides()) {
            if (override.pattern().matcher(name).find()) {
                return new Choice(override.type(), override.rule());
            }
        }
        if (options.pure()) {
            return new Choice(file.base(), "--pure");
        }
        boolean asOutput = role == TensorRole.OUTPUT || (traits.tied() && role == TensorRole.TOKEN_EMBEDDING);
        if (asOutput && options.outputTensorType().isPresent()) {
            return new Choice(options.outputTensorType().get(), "--output-tensor-type (tied)");
        }
        if (file == FileType.MXFP4_MOE && !asOutput) {
            boolean experts = shape.rank() >= 3 && shape.dim(shape.rank() - 3) > 1 && mayHoldExperts(role);
            return new Choice(experts ? QuantType.MXFP4 : QuantType.Q8_0, experts ? "experts" : "not an expert");
        }
        Choice choice = byTable(asOutput ? TensorRole.OUTPUT : role, name, shape);
        boolean promoted = role == TensorRole.ATTENTION_V
                && traits.seventyBillion()
                && !isVerySmall()
                && (choice.type() == QuantType.Q3_K || choice.type() == QuantType.Q4_K);
        return promoted ? new Choice(QuantType.Q5_K, "attn_v of a 70B model") : choice;
    }

    /** Attention tensors can have a dimension for heads; only here does the reference tell them from experts. */
    private boolean mayHoldExperts(TensorRole role) {
        return switch (role) {
            case FFN_UP, FFN_GATE, FFN_DOWN -> true;
            default -> !traits.architecture().equals("bailingmoe3");
        };
    }

    private boolean isVerySmall() {
        return switch (file) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M -> true;
            default -> false;
        };
    }

    private Choice byTable(TensorRole role, String name, Shape shape) {
        MixRules.Facts facts = new MixRules.Facts(
                traits.architecture(),
                layer(role, name),
                role == TensorRole.ATTENTION_V ? traits.valueTensors() : traits.layers(),
                traits.sharedHeads(),
                traits.experts(),
                importance,
                shape.rowLength() % file.base().blockLength() == 0);
        for (MixRules.Rule rule : MixRules.RULES) {
            if (rule.applies(role, file, facts)) {
                return new Choice(rule.type(), rule.why());
            }
        }
        return new Choice(file.base(), "base");
    }

    /** How many of its role came before; in the feed-forward network of a model with experts, the number in its name. */
    private int layer(TensorRole role, String name) {
        return switch (role) {
            case ATTENTION_V -> valuesSeen++;
            case FFN_DOWN -> named(name, downsSeen++);
            case FFN_GATE -> named(name, gatesSeen++);
            case FFN_UP -> named(name, upsSeen++);
            default -> 0;
        };
    }

    private int named(String name, int counted) {
        // The two-bit family counts even where there are experts (llama-quant.cpp).
        if (traits.experts() <= 1 || isVerySmall()) {
            return counted;
        }
        Matcher matcher = LAYER.matcher(name);
        if (!matcher.find() || Integer.parseInt(matcher.group(1)) >= traits.layers()) {
            throw new IllegalArgumentException("tensor " + name + " names no layer below " + traits.layers()
                    + ", which a model with experts must");
        }
        return Integer.parseInt(matcher.group(1));
    }

    private static Choice fallback(Choice choice, Shape shape) {
        long columns = shape.rowLength();
        if (columns % choice.type().blockLength() == 0) {
            return choice;
        }
        QuantType smaller = switch (choice.type()) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_XS -> QuantType.IQ4_NL;
            case Q2_0, Q2_K, Q3_K, TQ1_0, TQ2_0 -> QuantType.Q4_0;
            case Q4_K -> QuantType.Q5_0;
            case Q5_K -> QuantType.Q5_1;
            case Q6_K -> QuantType.Q8_0;
            // No block is smaller; F16 below.
            case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4 -> choice.type();
            default ->
                throw new IllegalArgumentException("rows of " + columns + " values are not whole " + choice.type()
                        + " blocks of " + choice.type().blockLength()
                        + ", and no smaller block stands in for this type");
        };
        QuantType type = columns % smaller.blockLength() == 0 ? smaller : QuantType.F16;
        return new Choice(
                type, choice.rule() + "; rows of " + columns + " do not divide into " + choice.type() + " blocks");
    }

    private boolean isQuantizable(String name, Shape shape) {
        return kept(name, shape, options.leaveOutputTensor()).isEmpty();
    }

    /** Why a tensor keeps its type; empty when it need not. */
    private static String kept(String name, Shape shape, boolean leaveOutputTensor) {
        if (shape.withoutOuterOnes().rank() < 2) {
            return "a vector";
        }
        // The reference compares a position that is not there, and so takes every name of five letters for a weight.
        if (!name.endsWith("weight") && name.length() != 5) {
            return "no weight";
        }
        if (leaveOutputTensor && name.equals("output.weight")) {
            return "--leave-output-tensor";
        }
        if (name.equals("position_embd.weight") || name.equals("token_types.weight")) {
            return "positions and token types";
        }
        return KEPT.stream()
                .filter(name::contains)
                .findFirst()
                .map(part -> "name contains " + part)
                .orElse("");
    }

    /** Whether llama.cpp refuses to make this type of this tensor without an importance matrix. */
    public boolean needsImportance(String name, QuantType type) {
        TensorRole role = TensorRole.of(name);
        if (role == TensorRole.OUTPUT || role == TensorRole.TOKEN_EMBEDDING) {
            // Here llama-quantize looks for none, and ends on ggml's failed assertion.
            return Codecs.needsImportance(type);
        }
        return switch (type) {
            case IQ3_XXS, IQ2_XXS, IQ2_XS, IQ2_S, IQ1_M, IQ1_S -> true;
            case Q2_K -> file == FileType.Q2_K_S;
            default -> false;
        };
    }
}
