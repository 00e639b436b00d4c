package dev.quern.quantization;

import java.util.ArrayList;
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

    /**
     * {@code --tensor-type PATTERN=TYPE}.
     *
     * @param rule what is said of a tensor that gets its type from here
     */
    public record TypeOverride(Pattern pattern, QuantType type, String rule) {
        /** One that the user wrote. */
        public TypeOverride(Pattern pattern, QuantType type) {
            this(pattern, type, "--tensor-type " + pattern.pattern());
        }
    }

    /** With more overrides behind those that are there. */
    public MixOptions with(List<TypeOverride> more) {
        List<TypeOverride> all = new ArrayList<>(overrides);
        all.addAll(more);
        return new MixOptions(pure, leaveOutputTensor, outputTensorType, tokenEmbeddingType, all);
    }
}
