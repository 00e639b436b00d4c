package dev.quern.architecture;

import dev.quern.architecture.Architecture.MetadataRule;
import dev.quern.architecture.Architecture.TensorRule;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Layout;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** A checkpoint seen through its family's page: tensors under GGUF's names, and the family's metadata. */
public final class CheckpointModel {
    private final Checkpoint checkpoint;
    private final Architecture page;
    private final Sizes sizes;

    private CheckpointModel(Checkpoint checkpoint, Architecture page) {
        this.checkpoint = checkpoint;
        this.page = page;
        this.sizes = Sizes.of(page, checkpoint.config());
    }

    /** @throws InputException when no page answers to the checkpoint, or its page refuses the configuration */
    public static CheckpointModel of(Checkpoint checkpoint) {
        ModelConfig config = checkpoint.config();
        List<String> names = config.texts("architectures");
        if (names.isEmpty()) {
            throw InputException.of(config.file(), "\"architectures\" is missing: what kind of model is this?")
                    .withHint("known architectures: " + known());
        }
        Architecture page = names.stream()
                .flatMap(name -> Architecture.answering(name).stream())
                .findFirst()
                .orElseThrow(() -> InputException.of(
                                config.file(),
                                "architecture "
                                        + names.stream().map(Quoted::of).collect(Collectors.joining(", "))
                                        + " is not known")
                        .withHint("known architectures: " + known()));
        for (Architecture.Refusal refusal : page.refused()) {
            if (Conditions.hold(refusal.when(), config)) {
                throw InputException.of(
                        config.file(),
                        refusal.when().config().getLast() + " is "
                                + Quoted.of(Conditions.value(refusal.when().config(), config)
                                        .orElse("")) + ": "
                                + refusal.because());
            }
        }
        return new CheckpointModel(checkpoint, page);
    }

    private static String known() {
        return Architecture.all().stream()
                .flatMap(page -> page.architectures().stream())
                .collect(Collectors.joining(", "));
    }

    public Architecture page() {
        return page;
    }

    public Sizes sizes() {
        return sizes;
    }

    /** Appends the family's keys; {@code fileType} is the number of the type that the file will be of. */
    public void writeMetadata(GgufMetadata out, int fileType) {
        ModelConfig config = checkpoint.config();
        for (MetadataRule rule : page.metadata()) {
            if (Conditions.hold(rule.when(), config)) {
                value(rule, fileType, config).ifPresent(value -> out.put(rule.key(), value));
            }
        }
    }

    private Optional<GgufValue> value(MetadataRule rule, int fileType, ModelConfig config) {
        String size = rule.hyperparameter();
        String constant = rule.constant();
        return switch (rule.type()) {
            case FILE_TYPE -> Optional.of(GgufValue.u32(fileType));
            case UINT32 -> Optional.of(GgufValue.u32(sizes.get(String.valueOf(size))));
            case STRING ->
                constant != null
                        ? Optional.of(GgufValue.text(constant))
                        : Conditions.value(fields(rule), config).map(GgufValue::text);
            case FLOAT32 -> {
                OptionalDouble found = OptionalDouble.empty();
                for (String field : fields(rule)) {
                    if (found.isEmpty()) {
                        found = config.real(field);
                    }
                }
                Double fallback = rule.fallback();
                yield found.isPresent()
                        ? Optional.of(GgufValue.f32((float) found.getAsDouble()))
                        : Optional.ofNullable(fallback).map(value -> GgufValue.f32(value.floatValue()));
            }
        };
    }

    private static List<String> fields(MetadataRule rule) {
        List<String> fields = rule.config();
        return fields == null ? List.of() : fields;
    }

    /**
     * The tensors in the order the peer writes them: computed ones first, then the checkpoint's own order (for Meta's
     * layout the order its Hugging Face form would have, so that both give the same data section).
     *
     * @throws InputException for a missing tensor, one that the page does not know, or a wrong shape
     */
    public TensorGraph graph() {
        Map<String, Named> expected = expectedTensors();
        Map<String, Named> found = new LinkedHashMap<>();
        Set<String> ignored = ignoredNames();
        for (String name : checkpoint.tensors().keySet()) {
            Named named = expected.get(name);
            if (named != null) {
                found.put(name, named);
            } else if (!ignored.contains(name)) {
                throw InputException.of(
                                checkpoint.directory(),
                                "tensor " + Quoted.of(name),
                                "is not part of a " + page.gguf() + " model with " + sizes.get("layers") + " layers")
                        .withHint("the weights and the configuration belong to different models, or this is a variant "
                                + "that the page " + page.gguf() + " does not describe");
            }
        }
        for (Map.Entry<String, Named> entry : expected.entrySet()) {
            TensorRule rule = entry.getValue().rule();
            boolean mayLack = rule.optional()
                    || (rule.absentWhen() != null && Conditions.hold(rule.absentWhen(), checkpoint.config()));
            if (!found.containsKey(entry.getKey()) && !mayLack) {
                throw InputException.of(
                                checkpoint.directory(),
                                "tensor " + Quoted.of(entry.getKey()),
                                "is missing, expected " + shapeOf(rule))
                        .withHint("a file of the checkpoint is incomplete or another model's; download it again");
            }
        }
        TensorGraph graph = new TensorGraph();
        for (Architecture.ComputedTensor computed : page.computed()) {
            if (Conditions.hold(computed.when(), checkpoint.config())) {
                graph.add(
                        switch (computed.is()) {
                            case LLAMA3_ROPE_FACTORS ->
                                RopeFactors.llama3(computed.name(), checkpoint.config(), sizes.get("head_size"));
                        });
            }
        }
        for (Map.Entry<String, Named> entry : inPeersOrder(found)) {
            graph.add(open(entry.getKey(), entry.getValue()));
        }
        return graph;
    }

    private boolean isHuggingFace() {
        return checkpoint.layout() == Layout.HUGGING_FACE;
    }

    /**
     * What a checkpoint's tensor is called in a GGUF.
     *
     * @param shape the shape that the configuration calls for
     * @param ropeHeads for rows that are put back from Hugging Face's rotary order, the heads; otherwise 0
     */
    public record Place(String name, Shape shape, long ropeHeads) {
        /** The rows of a matrix that has as many as the tensor, in the GGUF's order. */
        public TensorSource inOrder(TensorSource rows) {
            return ropeHeads == 0 ? rows : RopeRows.undoHuggingFace(rows, ropeHeads);
        }
    }

    /** Every tensor that the family's page knows, by its name in the checkpoint's layout. */
    public Map<String, Place> places() {
        Map<String, Place> places = new LinkedHashMap<>();
        expectedTensors().forEach((name, named) -> {
            Architecture.Transforms transforms = named.rule().transform();
            Architecture.Transform transform = transforms == null
                    ? null
                    : checkpoint.layout() == Layout.META ? transforms.meta() : transforms.huggingface();
            long heads = transform == null ? 0 : sizes.get(transform.permuteRope());
            places.put(name, new Place(named.ggufName(), shapeOf(named.rule()), heads));
        });
        return places;
    }

    /** A rule with the layer's number put in. */
    private record Named(TensorRule rule, String ggufName, String huggingFaceName) {}

    private Map<String, Named> expectedTensors() {
        Map<String, Named> expected = new LinkedHashMap<>();
        for (TensorRule rule : page.tensors()) {
            String pattern = isHuggingFace() ? rule.huggingface() : rule.meta();
            if (pattern == null) {
                continue;
            }
            String huggingFace = String.valueOf(rule.huggingface());
            for (int layer = 0; layer < (rule.perLayer() ? sizes.get("layers") : 1); layer++) {
                expected.put(at(pattern, layer), new Named(rule, at(rule.name(), layer), at(huggingFace, layer)));
            }
        }
        return expected;
    }

    private Set<String> ignoredNames() {
        Set<String> names = new LinkedHashSet<>();
        for (String pattern : page.ignored()) {
            for (int layer = 0; layer < sizes.get("layers"); layer++) {
                names.add(at(pattern, layer));
            }
        }
        return names;
    }

    private static String at(String pattern, int layer) {
        return pattern.replace(Architecture.LAYER, Integer.toString(layer));
    }

    private Collection<Map.Entry<String, Named>> inPeersOrder(Map<String, Named> found) {
        if (isHuggingFace()) {
            return found.entrySet();
        }
        TreeMap<String, Map.Entry<String, Named>> sorted = new TreeMap<>();
        found.entrySet().forEach(entry -> sorted.put(entry.getValue().huggingFaceName(), entry));
        return new ArrayList<>(sorted.values());
    }

    private TensorSource open(String name, Named named) {
        TensorRule rule = named.rule();
        TensorSource source = checkpoint.open(name, shapeOf(rule));
        Architecture.Transforms transforms = rule.transform();
        if (transforms != null) {
            Architecture.Transform transform = isHuggingFace() ? transforms.huggingface() : transforms.meta();
            if (transform != null) {
                source = RopeRows.undoHuggingFace(source, sizes.get(transform.permuteRope()));
            }
        }
        return new Renamed(source.info().withName(named.ggufName()), source);
    }

    private Shape shapeOf(TensorRule rule) {
        return sizes.shape(rule.shape());
    }
}
