package dev.quern.checkpoint.packed;

import dev.quern.tensor.DType;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;

/**
 * NVIDIA ModelOpt: a module's {@code weight} is F8 with {@code weight_scale}, or U8 (NVFP4) with {@code weight_scale} and
 * {@code weight_scale_2}; one checkpoint may hold both.
 */
final class ModelOpt {
    private static final String KNOWN = "FP8, FP8_PB_WO, NVFP4, MIXED_PRECISION of these";

    private ModelOpt() {}

    static String unpack(QuantizationConfig config, Parts parts) {
        String algorithm = config.text("quant_algo").orElse("");
        if (!algorithm.isEmpty() && !algorithm.matches("FP8|FP8_PB_.*|FP8_PER_CHANNEL.*|NVFP4|MIXED_PRECISION")) {
            throw config.unread("quant_algo", algorithm, KNOWN);
        }
        List<String> scaled = parts.stems(".pre_quant_scale");
        if (!scaled.isEmpty()) {
            throw parts.refused(
                            scaled.getFirst() + ".pre_quant_scale", "scales activations (AWQ), which GGUF cannot hold")
                    .withHint("export the checkpoint without AWQ, or get it before it was quantized");
        }
        TreeSet<String> kinds = new TreeSet<>();
        for (String module : parts.stems(".weight_scale")) {
            String weight = module + ".weight";
            Part codes = parts.part(weight).expect(DType.U8, DType.F8_E4M3, DType.F8_E5M2);
            if (codes.dtype() == DType.U8) {
                FloatPairs.addModelOptNvfp4(weight, parts);
                kinds.add("NVFP4");
            } else {
                List<Long> block =
                        algorithm.toUpperCase(Locale.ROOT).startsWith("FP8_PB") ? List.of(128L, 128L) : List.of();
                ScaledWeights.add(codes, parts.part(weight + "_scale"), Optional.empty(), block, parts);
                kinds.add("FP8");
            }
        }
        parts.dropEnding(".input_scale", ".k_scale", ".v_scale", ".q_scale", ".output_scale");
        return "ModelOpt (" + String.join(" and ", kinds) + ")";
    }
}
