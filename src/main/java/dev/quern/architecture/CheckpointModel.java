package dev.quern.architecture;

import dev.quern.architecture.Architecture.Stage;
import dev.quern.architecture.Architecture.TensorRule;
import dev.quern.architecture.Expected.Output;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Layout;
import dev.quern.checkpoint.ModelConfig;
import dev.quern.gguf.GgufMetadata;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.Computed;
import dev.quern.tensor.Concatenated;
import dev.quern.tensor.DType;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A checkpoint seen through its family's page: tensors under GGUF's names, and the family's metadata. */
public final class CheckpointModel {
    private final Checkpoint checkpoint;
    private final Architecture page;
    private final Sizes sizes;
    private final Expected expected;

    private CheckpointModel(Checkpoint checkpoint, Architecture page) {
        this.checkpoint = checkpoint;
        this.page = page;
        this.sizes = Sizes.of(page, checkpoint.config());
        this.expected =
                new Expected(page, sizes, isHuggingFace(), checkpoint.config().file());
    }

    /** @throws InputException when no page answers to the checkpoint, or its page refuses the configuration */
    public static CheckpointModel of(Checkpoint checkpoint) {
        return of(checkpoint, Optional.empty());
    }

    /**
     * @param given the page to see it through, whatever its configuration says it is
     * @throws InputException when no page answers to the checkpoint, or its page refuses the configuration
     */
    public static CheckpointModel of(Checkpoint checkpoint, Optional<Architecture> given) {
        ModelConfig config = checkpoint.config();
        CheckpointModel model = new CheckpointModel(checkpoint, given.orElseGet(() -> page(checkpoint)));
        for (Architecture.Refusal refusal : model.page.refused()) {
            if (model.sizes.hold(refusal.when(), 0)) {
                throw InputException.of(config.file(), model.subject(refusal.when()) + refusal.because());
            }
        }
        return model;
    }

    /** {@code hidden_act is "relu": }, from the first hyperparameter that a refusal speaks of. */
    private String subject(String condition) {
        for (String name : new Expression(condition).names()) {
            Architecture.Size size = page.hyperparameters().get(name);
            for (String field : size == null ? List.<String>of() : size.config()) {
                Optional<String> value = checkpoint.config().anyText(field);
                if (value.isPresent()) {
                    return field + " is " + Quoted.of(value.get()) + ": ";
                }
            }
        }
        return "";
    }

    private static Architecture page(Checkpoint checkpoint) {
        ModelConfig config = checkpoint.config();
        List<String> names = config.texts("architectures");
        if (names.isEmpty()) {
            throw InputException.of(config.file(), "\"architectures\" is missing: what kind of model is this?")
                    .withHint("known architectures: " + UnknownFamily.known());
        }
        return names.stream()
                .flatMap(name -> Architecture.answering(name).stream())
                .findFirst()
                .orElseThrow(() -> UnknownFamily.refusal(checkpoint, names));
    }

    public Architecture page() {
        return page;
    }

    public Sizes sizes() {
        return sizes;
    }

    /** How many tokens the vocabulary has: rows of the embedding, or what the family makes of them. */
    public long tokens() {
        String tokens = page.vocabulary().tokens();
        return tokens == null ? sizes.get("vocabulary") : sizes.require(tokens, 0);
    }

    /** Puts the family's keys that belong at one place; {@code fileType} is the number of the file's type. */
    public void writeMetadata(Stage stage, GgufMetadata out, int fileType) {
        new FamilyMetadata(page, sizes, checkpoint.config().file()).write(stage, out, fileType);
    }

    /**
     * The tensors in the order the peer writes them: computed ones first, then the checkpoint's own order (for Meta's
     * layout the order its Hugging Face form would have, so that both give the same data section).
     *
     * @throws InputException for a missing tensor, one that the page does not know, or a wrong shape
     */
    public TensorGraph graph() {
        Map<String, String> stored = storedNames();
        List<Output> found = found(stored);
        TensorGraph graph = new TensorGraph();
        computed(graph);
        if (!isHuggingFace()) {
            found.sort(Comparator.comparing(Output::huggingFace));
        }
        for (Output output : found) {
            TensorSource source = open(output, stored);
            String same = output.rule().unlessSame();
            if (same == null || !isSame(source, graph.get(same))) {
                if (graph.get(output.name()).isPresent()) {
                    throw InputException.of(
                            checkpoint.directory(),
                            "tensor " + Quoted.of(output.sources().getFirst()),
                            "gives " + output.name() + ", and so does another");
                }
                graph.add(source);
            }
        }
        return graph;
    }

    /** The checkpoint's names by those that the page's rules have. */
    private Map<String, String> storedNames() {
        Map<String, String> stored = new LinkedHashMap<>();
        for (String name : checkpoint.tensors().keySet()) {
            String read = name;
            for (Architecture.Ending ending : page.renamed()) {
                read = ending.applied(read);
            }
            stored.putIfAbsent(expected.of(name).isEmpty() ? read : name, name);
        }
        return stored;
    }

    /** What the checkpoint's tensors make, in the order in which they are whole. */
    private List<Output> found(Map<String, String> stored) {
        Map<String, Long> missing = new HashMap<>();
        for (Output output : expected.outputs()) {
            missing.merge(output.group(), (long) output.sources().size(), Long::sum);
        }
        List<Output> found = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Map.Entry<String, String> entry : stored.entrySet()) {
            List<Output> outputs = expected.of(entry.getKey());
            if (outputs.isEmpty() && !isAmong(page.ignored(), entry.getKey())) {
                if (!isAmong(page.zeros(), entry.getKey())) {
                    throw unknown(entry.getValue());
                }
                requireZeros(entry.getValue());
            }
            for (Output output : outputs) {
                if (!output.stacked()) {
                    found.add(output);
                    names.add(output.name());
                } else if (missing.merge(output.group(), -1L, Long::sum) == 0) {
                    expected.outputs().stream()
                            .filter(each -> each.group().equals(output.group()))
                            .forEach(each -> {
                                found.add(each);
                                names.add(each.name());
                            });
                }
            }
        }
        requireAll(stored, names);
        return found;
    }

    private InputException unknown(String name) {
        return InputException.of(
                        checkpoint.directory(),
                        "tensor " + Quoted.of(name),
                        "is not part of a " + page.gguf() + " model with " + sizes.get("layers") + " layers")
                .withHint("the weights and the configuration belong to different models, or this is a variant "
                        + "that the page " + page.gguf() + " does not describe");
    }

    private void requireAll(Map<String, String> stored, Set<String> found) {
        for (Output output : expected.outputs()) {
            TensorRule rule = output.rule();
            boolean mayLack =
                    rule.optional() || (rule.absentWhen() != null && sizes.hold(rule.absentWhen(), output.layer()));
            if (found.contains(output.name()) || mayLack) {
                continue;
            }
            // Of alternatives, the one that something is there of.
            Output nearest = expected.outputs().stream()
                    .filter(each -> each.name().equals(output.name()))
                    .filter(each -> each.sources().stream().anyMatch(stored::containsKey))
                    .findFirst()
                    .orElse(output);
            String name = nearest.sources().stream()
                    .filter(source -> !stored.containsKey(source))
                    .findFirst()
                    .orElse(nearest.sources().getFirst());
            throw InputException.of(
                            checkpoint.directory(),
                            "tensor " + Quoted.of(name),
                            "is missing, expected " + sourceShape(nearest))
                    .withHint("a file of the checkpoint is incomplete or another model's; download it again");
        }
    }

    private void requireZeros(String name) {
        TensorInfo info = Objects.requireNonNull(checkpoint.tensors().get(name));
        TensorSource source = checkpoint.open(name, info.shape());
        float[] row = new float[Math.toIntExact(info.shape().rowLength())];
        for (long i = 0; i < info.shape().rows(); i++) {
            source.readRows(i, 1, row, 0);
            for (int column = 0; column < row.length; column++) {
                if (row[column] != 0) {
                    throw InputException.of(
                                    checkpoint.directory(),
                                    "tensor " + Quoted.of(name) + ", element "
                                            + info.shape().index(i * row.length + column),
                                    "expected 0, found " + row[column])
                            .withHint("a GGUF of " + page.title() + " has no place for this tensor, which is all zeros"
                                    + " in its models");
                }
            }
        }
    }

    private boolean isAmong(List<String> patterns, String name) {
        return patterns.stream().anyMatch(pattern -> {
            Matcher matcher = ignored(pattern).matcher(name);
            return matcher.matches()
                    && (matcher.groupCount() == 0 || Long.parseLong(matcher.group(1)) >= sizes.get("layers"));
        });
    }

    /** {@code {i}} is any number, {@code {beyond}} that of a layer after the last, {@code *} anything. */
    private static Pattern ignored(String pattern) {
        String regex = Pattern.quote(pattern)
                .replace("{beyond}", "\\E(\\d{1,9})\\Q")
                .replace(Architecture.LAYER, "\\E\\d+\\Q")
                .replace("*", "\\E.*\\Q");
        return Pattern.compile(regex);
    }

    private void computed(TensorGraph graph) {
        for (Architecture.ComputedTensor computed : page.computed()) {
            if (sizes.hold(computed.when(), 0)) {
                switch (computed.is()) {
                    case LLAMA3_ROPE_FACTORS ->
                        graph.add(RopeFactors.llama3(computed.name(), checkpoint.config(), sizes.get("head_size")));
                    case LIST -> list(computed).ifPresent(graph::add);
                }
            }
        }
    }

    private Optional<TensorSource> list(Architecture.ComputedTensor computed) {
        if (!(sizes.evaluate(String.valueOf(computed.of()), 0) instanceof List<?> list)) {
            return Optional.empty();
        }
        float[] values = new float[list.size()];
        for (int i = 0; i < values.length; i++) {
            if (!(list.get(i) instanceof Double value)) {
                throw InputException.of(checkpoint.config().file(), computed.of() + ": expected a list of numbers");
            }
            values[i] = value.floatValue();
        }
        return Optional.of(new Computed(new TensorInfo(computed.name(), DType.F32, Shape.of(values.length)), values));
    }

    private boolean isHuggingFace() {
        return checkpoint.layout() == Layout.HUGGING_FACE;
    }

    /**
     * What a checkpoint's tensor is called in a GGUF.
     *
     * @param shape the shape that the configuration calls for
     * @param order puts the rows of a matrix that has as many as the tensor into the GGUF's order
     */
    public record Place(String name, Shape shape, Order order) {
        public TensorSource inOrder(TensorSource rows) {
            return order.of(rows);
        }
    }

    /** Puts rows in order. */
    @FunctionalInterface
    public interface Order {
        TensorSource of(TensorSource rows);
    }

    /**
     * Every tensor of the checkpoint's layout that becomes one of the GGUF, by its name in the checkpoint. Those that are
     * taken apart, stacked or transposed have no place of their own.
     */
    public Map<String, Place> places() {
        Map<String, Place> places = new LinkedHashMap<>();
        expected.bySource().forEach((name, outputs) -> {
            Output output = outputs.getFirst();
            if (outputs.size() == 1 && !output.stacked() && Transforms.onlyOrderRows(steps(output.rule()))) {
                places.put(
                        name,
                        new Place(
                                output.name(),
                                sizes.shape(output.rule().shape(), output.layer()),
                                rows -> Transforms.apply(steps(output.rule()), rows, sizes, output.layer())));
            }
        });
        return places;
    }

    /** Whether the page knows a tensor of this name, whatever becomes of it. */
    public boolean knows(String name) {
        return !expected.of(name).isEmpty();
    }

    private List<Architecture.Transform> steps(TensorRule rule) {
        return isHuggingFace() ? rule.transform() : List.of();
    }

    private Shape sourceShape(Output output) {
        TensorRule rule = output.rule();
        List<String> source = rule.source();
        if (source != null && isHuggingFace()) {
            return sizes.shape(source, output.layer());
        }
        List<String> shape = rule.shape();
        return sizes.shape(output.stacked() ? shape.subList(1, shape.size()) : shape, output.layer());
    }

    private TensorSource open(Output output, Map<String, String> stored) {
        TensorRule rule = output.rule();
        Shape expectedShape = sourceShape(output);
        List<TensorSource> parts = new ArrayList<>();
        for (String name : output.sources()) {
            parts.add(checkpoint.open(String.valueOf(stored.get(name)), expectedShape));
        }
        TensorSource source = parts.getFirst();
        Shape shape = sizes.shape(rule.shape(), output.layer());
        if (output.stacked()) {
            TensorSource rows =
                    source.info().shape().rank() > 1 ? Concatenated.of(output.name(), parts, 0) : vectors(parts);
            source = new Renamed(rows.info().withShape(stackedShape(parts, expectedShape)), rows);
        }
        source = Transforms.apply(steps(rule), source, sizes, output.layer());
        Shape given = source.info().shape();
        if (given.elements() != shape.elements() || given.rowLength() != shape.rowLength()) {
            throw InputException.of(
                    checkpoint.directory(),
                    "tensor " + Quoted.of(output.sources().getFirst()),
                    "makes " + given + ", and " + output.name() + " is " + shape);
        }
        return new Renamed(new TensorInfo(output.name(), source.info().dtype(), shape), source);
    }

    private static Shape stackedShape(List<TensorSource> parts, Shape part) {
        long[] dims = new long[part.rank() + 1];
        dims[0] = parts.size();
        System.arraycopy(part.dims(), 0, dims, 1, part.rank());
        return Shape.of(dims);
    }

    /** Vectors as the rows of a matrix. */
    private static TensorSource vectors(List<TensorSource> parts) {
        List<TensorSource> rows = parts.stream()
                .map(part -> (TensorSource) new Renamed(
                        part.info().withShape(Shape.of(1, part.info().shape().dim(0))), part))
                .toList();
        return Concatenated.of(parts.getFirst().info().name(), rows, 0);
    }

    /** Reads both, up to the first difference. */
    private static boolean isSame(TensorSource one, Optional<TensorSource> other) {
        if (other.isEmpty() || !other.get().info().shape().equals(one.info().shape())) {
            return false;
        }
        int length = Math.toIntExact(one.info().shape().rowLength());
        float[] left = new float[length];
        float[] right = new float[length];
        for (long row = 0; row < one.info().shape().rows(); row++) {
            one.readRows(row, 1, left, 0);
            other.get().readRows(row, 1, right, 0);
            for (int i = 0; i < length; i++) {
                if (left[i] != right[i]) {
                    return false;
                }
            }
        }
        return true;
    }
}
