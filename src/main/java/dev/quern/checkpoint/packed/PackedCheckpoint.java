package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.DerivedCheckpoint;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A checkpoint whose weights other tools have quantized, shown as if they had not: each packed weight under its own
 * name and shape, unpacked row by row as it is read. A weight whose name the packed form keeps stays where it is; one
 * that is packed under other names comes at the end, as in the peer's converter.
 */
public final class PackedCheckpoint extends DerivedCheckpoint {
    static final String KNOWN = "gptq, awq, fp8, fbgemm_fp8, compressed-tensors, bitsandbytes, hqq, bitnet, mxfp4, "
            + "modelopt (FP8 and NVFP4), auto-round (in GPTQ's or AWQ's layout)";

    /** Names that only packed weights have. */
    private static final List<String> TELLTALES = List.of(
            ".qweight",
            ".qzeros",
            ".weight_packed",
            ".weight_scale",
            ".weight_scale_inv",
            ".SCB",
            ".W_q",
            ".weight.absmax",
            "_blocks");

    private final String packing;
    private final Map<String, TensorSource> weights;
    private final SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();

    private PackedCheckpoint(Checkpoint packed, String packing, Map<String, TensorSource> weights, Set<String> used) {
        super(packed);
        this.packing = packing;
        this.weights = weights;
        packed.tensors().forEach((name, info) -> {
            TensorSource weight = weights.get(name);
            if (weight != null) {
                tensors.put(name, weight.info());
            } else if (!used.contains(name)) {
                tensors.put(name, info);
            }
        });
        weights.forEach((name, weight) -> tensors.putIfAbsent(name, weight.info()));
    }

    /**
     * The checkpoint itself when its weights are plain, otherwise its unpacked form.
     *
     * @throws InputException when its configuration names a packing that is not read, or does not fit its tensors
     */
    public static Checkpoint of(Checkpoint checkpoint) {
        Optional<QuantizationConfig> config = QuantizationConfig.of(checkpoint);
        if (config.isEmpty()) {
            refuseUndeclared(checkpoint);
            return checkpoint;
        }
        Parts parts = new Parts(checkpoint);
        String packing = unpack(config.get(), parts);
        if (parts.weights().isEmpty()) {
            throw config.get()
                    .refused(
                            "quant_method",
                            Quoted.of(config.get().method()) + " does not fit the weights: "
                                    + "no tensor is packed that way")
                    .withHint("config.json and the weights belong to different models; if the weights are plain, "
                            + "remove quantization_config from config.json");
        }
        PackedCheckpoint unpacked = new PackedCheckpoint(checkpoint, packing, parts.weights(), parts.used());
        unpacked.refuseLeftovers(config.get());
        return unpacked;
    }

    /** @return what the packing is, for people */
    private static String unpack(QuantizationConfig config, Parts parts) {
        return switch (config.method()) {
            case "gptq" -> Gptq.unpack(config, parts);
            case "awq" -> Awq.unpack(config, parts);
            case "auto-round", "intel/auto-round" -> autoRound(config, parts);
            case "fp8", "fbgemm_fp8" -> ScaledWeights.unpack(config, parts);
            case "modelopt" -> ModelOpt.unpack(config, parts);
            case "compressed-tensors" -> CompressedTensors.unpack(config, parts);
            case "bitsandbytes" -> BitsAndBytes.unpack(config, parts);
            case "hqq" -> Hqq.unpack(config, parts);
            case "bitnet" -> BitNet.unpack(config, parts);
            case "mxfp4" -> Mxfp4Experts.unpack(parts);
            default -> throw config.unread("quant_method", config.method(), KNOWN);
        };
    }

    private static String autoRound(QuantizationConfig config, Parts parts) {
        String format = config.text("packing_format").orElse("auto_round:auto_gptq");
        if (format.contains("awq")) {
            return Awq.unpack(config, parts);
        }
        if (!format.contains("gptq")) {
            throw config.unread("packing_format", format, "auto_round:auto_gptq, auto_round:auto_awq");
        }
        return Gptq.unpack(config, parts);
    }

    private static void refuseUndeclared(Checkpoint checkpoint) {
        for (String name : checkpoint.tensors().keySet()) {
            for (String telltale : TELLTALES) {
                if (name.endsWith(telltale)) {
                    throw InputException.of(
                                    checkpoint.config().file(),
                                    "no quantization_config, but tensor " + Quoted.of(name)
                                            + " belongs to a packed weight")
                            .withHint("get the config.json that was published with these weights");
                }
            }
        }
    }

    /** A weight that is still integers or 8-bit floats has lost the scales it needs to mean anything. */
    private void refuseLeftovers(QuantizationConfig config) {
        tensors.forEach((name, info) -> {
            boolean packedType = switch (info.dtype()) {
                case F64, F32, F16, BF16 -> false;
                default -> true;
            };
            if (name.endsWith(".weight") && packedType && !weights.containsKey(name)) {
                throw InputException.of(
                                base().directory(),
                                "tensor " + Quoted.of(name),
                                "is packed as " + info.dtype() + ", and there are no scales to unpack it with")
                        .withHint("quant_method " + Quoted.of(config.method()) + " in "
                                + config.config().file() + " may be wrong, or the download is not complete");
            }
        });
    }

    @Override
    public Optional<String> packing() {
        return Optional.of(packing);
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    @Override
    public TensorSource open(String name, Shape expected) {
        TensorSource weight = weights.get(name);
        if (weight == null) {
            return base().open(name, expected);
        }
        if (!weight.info().shape().equals(expected)) {
            throw InputException.of(
                    weight.origin(),
                    "tensor " + Quoted.of(name) + ": expected the shape " + expected + ", found "
                            + weight.info().shape() + " (unpacked from " + packing + ")");
        }
        return weight;
    }
}
