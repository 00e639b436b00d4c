package dev.quern.quantization;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What the user asks of a mix; the names are llama-quantize's options.
 *
 * @param pure one type for all, no rules
 * @param leaveOutputTensor output.weight keeps the type it has
 * @param outputTensorType for output.weight, or the token embedding where it serves as one
 * @param overrides the first whose pattern is found in a tensor's name decides its type
 */
public record MixOptions(
        boolean pure,
        boolean leaveOutputTensor,
        Optional<QuantType> outputTensorType,
        Optional<QuantType> tokenEmbeddingType,
        List<TypeOverride> overrides) {

    public static final MixOptions NONE = new MixOptions(false, false, Optional.empty(), Optional.empty(), List.of());

    public MixOptions {
        overrides = List.copyOf(overrides);
    }

    /** {@code --tensor-type PATTERN=TYPE}. */
    public record TypeOverride(Pattern pattern, QuantType type) {}
}
