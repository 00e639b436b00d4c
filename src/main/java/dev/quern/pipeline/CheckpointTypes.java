package dev.quern.pipeline;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Computed;
import dev.quern.tensor.DType;
import dev.quern.tensor.NativeBlocks;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What convert_hf_to_gguf.py writes: the types of its {@code --outtype}, and its choice of what stays F32. */
public final class CheckpointTypes {
    private CheckpointTypes() {}

    /** The types that conversion writes by itself; all others go through llama-quantize's rules. */
    private static final Set<FileType> DIRECT = Set.of(FileType.F32, FileType.F16, FileType.BF16, FileType.Q8_0);

    /** Small tensors that are used as they are; the ends of their names without ".weight". */
    private static final List<String> KEPT_F32 = List.of(
            "ffn_gate_inp",
            "ffn_gate_inp_shexp",
            "position_embd",
            "token_types",
            "ssm_conv1d",
            "ssm_conv1d_q",
            "ssm_conv1d_k",
            "ssm_conv1d_v",
            "shortconv.conv",
            "time_mix_first",
            "time_mix_w1",
            "time_mix_w2",
            "time_mix_decay_w1",
            "time_mix_decay_w2",
            "time_mix_lerp_fused",
            "altup_correct_coef",
            "altup_predict_coef");

    public static boolean isDirect(FileType type) {
        return DIRECT.contains(type);
    }

    /** The type of one tensor, {@code info.name()} being GGUF's. */
    static QuantType of(TensorInfo info, FileType file) {
        String name = info.name();
        if (info.shape().rank() <= 1 || name.endsWith("_norm.weight") || !name.endsWith(".weight") || isKeptF32(name)) {
            return QuantType.F32;
        }
        QuantType type = file.base();
        return info.shape().rowLength() % type.blockLength() == 0 ? type : QuantType.F16;
    }

    private static boolean isKeptF32(String name) {
        String stem = name.substring(0, name.length() - ".weight".length());
        return KEPT_F32.stream().anyMatch(kept -> stem.equals(kept) || stem.endsWith("." + kept));
    }

    /** {@link #plan(Source, FileType, boolean)} without unpacking what GGUF can hold as it is. */
    public static OutputPlan plan(Source source, FileType file) {
        return plan(source, file, false);
    }

    /**
     * The file that convert_hf_to_gguf.py would write: the source's own order of tensors and keys. Weights that are
     * packed as blocks of a GGUF type (MXFP4, NVFP4) keep them and come first, their factors behind them.
     *
     * @param dequantize whether such weights are to be of the file's type like any other
     */
    public static OutputPlan plan(Source source, FileType file, boolean dequantize) {
        List<PlannedTensor> kept = new ArrayList<>();
        List<PlannedTensor> tensors = new ArrayList<>();
        for (TensorSource tensor : source.model().tensors().sources()) {
            Optional<NativeBlocks> blocks = dequantize ? Optional.empty() : tensor.blocks();
            if (blocks.isPresent()) {
                keep(tensor, blocks.get(), kept);
                continue;
            }
            TensorInfo info = tensor.info();
            QuantType type = of(info, file);
            String rule = type == file.base() ? "base" : "kept: small or used as it is";
            tensors.add(new PlannedTensor(info.name(), type, info.shape(), tensor, rule, false, null));
        }
        Optional<QuantType> packing = kept.stream()
                .map(PlannedTensor::type)
                .filter(QuantType::isQuantized)
                .findFirst();
        kept.addAll(tensors);
        // As the peer: such a file is named for its blocks, unless the rest is of a quantized type too.
        boolean named = packing.isPresent() && !file.base().isQuantized();
        boolean mxfp4 = packing.filter(type -> type == QuantType.MXFP4).isPresent();
        GgufMetadata metadata = new GgufMetadata(source.model().metadata());
        // The peer writes no type for two families.
        if (source.general().isEmpty() || metadata.get("general.file_type").isPresent()) {
            metadata.put(
                    "general.file_type",
                    GgufValue.u32(!named ? file.id() : mxfp4 ? FileType.MXFP4_MOE.id() : GuessedFileType.NVFP4));
        }
        return new OutputPlan(named ? packing.orElseThrow().name() : file.name(), metadata, kept);
    }

    private static void keep(TensorSource tensor, NativeBlocks blocks, List<PlannedTensor> kept) {
        TensorInfo info = tensor.info();
        QuantType type = QuantType.fromName(blocks.encoding()).orElseThrow();
        kept.add(new PlannedTensor(info.name(), type, info.shape(), tensor, "kept: packed as " + type, true, null));
        String stem = info.name().substring(0, info.name().length() - ".weight".length());
        blocks.factors().forEach((factor, value) -> {
            TensorInfo own = new TensorInfo(stem + "." + factor, DType.F32, Shape.of(1));
            kept.add(new PlannedTensor(
                    own.name(),
                    QuantType.F32,
                    own.shape(),
                    new Computed(own, new float[] {value}),
                    "factor of " + info.name(),
                    false,
                    null));
        });
    }
}
