package dev.quern.pipeline;

import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.quantization.MixOptions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * How a model is quantized, besides its type.
 *
 * @param mix which tensor gets which type
 * @param allowRequantize whether tensors that are quantized already may be quantized again
 * @param importance weights for the columns
 * @param overrides metadata keys to set, in order
 * @param prunedLayers layers to leave out; those behind them move up
 * @param method how codes are chosen
 * @param sizesOnly whether the plan is only to be measured: types that need an importance matrix do without one
 */
public record QuantizationOptions(
        MixOptions mix,
        boolean allowRequantize,
        Optional<ImportanceMatrix> importance,
        SequencedMap<String, GgufValue> overrides,
        SortedSet<Integer> prunedLayers,
        Method method,
        boolean sizesOnly) {

    public static final QuantizationOptions NONE = new QuantizationOptions(
            MixOptions.NONE, false, Optional.empty(), new LinkedHashMap<>(), new TreeSet<>(), Method.REFERENCE, false);

    /** With the reference's codes. */
    public QuantizationOptions(
            MixOptions mix,
            boolean allowRequantize,
            Optional<ImportanceMatrix> importance,
            SequencedMap<String, GgufValue> overrides,
            SortedSet<Integer> prunedLayers,
            boolean sizesOnly) {
        this(mix, allowRequantize, importance, overrides, prunedLayers, Method.REFERENCE, sizesOnly);
    }

    public QuantizationOptions {
        overrides = java.util.Collections.unmodifiableSequencedMap(new LinkedHashMap<>(overrides));
        prunedLayers = java.util.Collections.unmodifiableSortedSet(new TreeSet<>(prunedLayers));
    }

    /** For saying what a type would cost. */
    public static QuantizationOptions forSizes() {
        return new QuantizationOptions(
                MixOptions.NONE,
                true,
                Optional.empty(),
                new LinkedHashMap<>(),
                new TreeSet<>(),
                Method.REFERENCE,
                true);
    }

    public QuantizationOptions with(ImportanceMatrix matrix) {
        return new QuantizationOptions(
                mix, allowRequantize, Optional.of(matrix), overrides, prunedLayers, method, sizesOnly);
    }

    public QuantizationOptions with(MixOptions newMix) {
        return new QuantizationOptions(newMix, allowRequantize, importance, overrides, prunedLayers, method, sizesOnly);
    }

    public QuantizationOptions withOverrides(Map<String, GgufValue> keys) {
        return new QuantizationOptions(
                mix, allowRequantize, importance, new LinkedHashMap<>(keys), prunedLayers, method, sizesOnly);
    }

    /** As {@link #recorded(MixOptions, boolean, SortedSet)}, of these options. */
    public SequencedMap<String, String> recorded() {
        SequencedMap<String, String> options = recorded(mix, allowRequantize, prunedLayers);
        if (method != Method.REFERENCE) {
            options.put("method", method.option());
        }
        return options;
    }

    /** What differs from the defaults and changes bytes, besides importance and metadata, for people and for records. */
    public static SequencedMap<String, String> recorded(
            MixOptions mix, boolean allowRequantize, SortedSet<Integer> prunedLayers) {
        SequencedMap<String, String> options = new LinkedHashMap<>();
        if (mix.pure()) {
            options.put("pure", "true");
        }
        if (mix.leaveOutputTensor()) {
            options.put("leave_output_tensor", "true");
        }
        mix.outputTensorType().ifPresent(type -> options.put("output_tensor_type", type.name()));
        mix.tokenEmbeddingType().ifPresent(type -> options.put("token_embedding_type", type.name()));
        if (!mix.overrides().isEmpty()) {
            options.put(
                    "tensor_types",
                    mix.overrides().stream()
                            .map(override -> override.pattern() + "=" + override.type())
                            .collect(Collectors.joining(" ")));
        }
        if (allowRequantize) {
            options.put("allow_requantize", "true");
        }
        if (!prunedLayers.isEmpty()) {
            options.put("prune_layers", prunedLayers.toString());
        }
        return options;
    }
}
