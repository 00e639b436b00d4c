package dev.quern.pipeline;

import dev.quern.quantization.QuantType;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.quantization.codes.ScaledForm;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** How the codes of quantized tensors are chosen; types, sizes and metadata are the same with all. */
public enum Method {
    /** As llama-quantize chooses them: byte for byte its files. */
    REFERENCE,
    /** Each row for itself, with the scales of least weighted error among all roundings. */
    SEARCH,
    /** A row's codes together, layer after layer, for what the layers compute on a text. */
    COMPENSATED;

    /** What recipes and the command line call it. */
    public String option() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Says, for people, what of an output the method does not choose; empty where it chooses all codes. */
    public Optional<String> idle(OutputPlan plan) {
        if (this == REFERENCE || plan.parameters() == 0) {
            return Optional.empty();
        }
        List<QuantType> made = plan.tensors().stream()
                .filter(CompensatedPlan::isMade)
                .map(PlannedTensor::type)
                .toList();
        if (made.isEmpty()) {
            return Optional.of("method " + option() + " changes nothing, since no tensor is quantized anew");
        }
        List<QuantType> unknown = made.stream().filter(type -> !knows(type)).toList();
        String types = unknown.stream().map(Enum::name).distinct().sorted().collect(Collectors.joining(", "));
        return unknown.isEmpty()
                ? Optional.empty()
                : Optional.of(unknown.size() + " of " + made.size()
                        + " quantized tensors have the reference's codes; method " + option() + " does not know "
                        + types);
    }

    private boolean knows(QuantType type) {
        return this == SEARCH
                ? CodeForm.of(type).isPresent()
                : ScaledForm.of(type).isPresent();
    }
}
