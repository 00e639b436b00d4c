package dev.quern.pipeline;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Mix;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.TensorRole;
import dev.quern.quantization.codes.CodeForm;
import dev.quern.tensor.Computed;
import dev.quern.tensor.DType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What llama-quantize writes: its order of tensors and keys, its type for each tensor (llama.cpp v0.5.0,
 * llama_model_quantize).
 */
public final class Quantization {
    /** As sscanf reads {@code blk.%d.}: what comes behind the number does not matter. */
    private static final Pattern LAYER = Pattern.compile("^blk\\.(\\d+)");

    /** Of names: what belongs to no layer, then layer by layer (llama-model-loader.h, weight_name_comparer). */
    private static final Comparator<String> ORDER =
            Comparator.comparingInt(Quantization::layer).thenComparing(Comparator.naturalOrder());

    private final Source source;
    private final QuantizationOptions options;
    private final LayerNumbers layers;
    private @Nullable List<TensorSource> ordered;

    private Quantization(Source source, QuantizationOptions options) {
        this.source = source;
        this.options = options;
        this.layers = new LayerNumbers(options.prunedLayers());
    }

    /** For several plans of one source. */
    public static Quantization of(Source source, QuantizationOptions options) {
        return new Quantization(source, options);
    }

    /** @throws InputException when the source's tensors or the importance matrix do not allow the type */
    public static OutputPlan plan(Source source, FileType file, QuantizationOptions options) {
        return of(source, options).plan(file);
    }

    /** @throws InputException when the source's tensors or the importance matrix do not allow the type */
    public OutputPlan plan(FileType file) {
        return whole(new Job(file.name(), file.id(), Optional.of(file)));
    }

    /** Every tensor with the type it has, in llama-quantize's order: its type COPY. */
    public static OutputPlan copy(Source source, QuantizationOptions options) {
        return new Quantization(source, options).whole(copyOf(source));
    }

    /**
     * One plan for each part of a split GGUF: llama-quantize's --keep-split. Its rules that count layers meet the tensors
     * in the files' order then.
     */
    public static List<OutputPlan> planParts(Source source, FileType file, QuantizationOptions options) {
        return new Quantization(source, options).parts(new Job(file.name(), file.id(), Optional.of(file)));
    }

    /** As {@link #copy}, with one plan for each part. */
    public static List<OutputPlan> copyParts(Source source, QuantizationOptions options) {
        return new Quantization(source, options).parts(copyOf(source));
    }

    /**
     * A tensor whose type is the mix's to choose.
     *
     * @param name GGUF's
     * @param current what the source has it as
     * @param shape outermost first, as the output's header will have it
     * @param importance weights for the columns, one array for each matrix of the tensor, or null
     * @param barred types that it cannot get without importance, which it has not
     */
    @SuppressWarnings("ArrayRecordComponent")
    public record Undecided(
            String name,
            QuantType current,
            Shape shape,
            TensorSource source,
            float @Nullable [][] importance,
            Set<QuantType> barred) {
        /** The weights of a row's columns, or null. */
        public float @Nullable [] importanceOf(long row) {
            return PlannedTensor.weightsOf(importance, row, shape);
        }

        /** Some of its rows, evenly spread, in memory; the tensor itself where it is small. */
        Undecided sample(int values, int leastRows) {
            int length = Math.toIntExact(shape.rowLength());
            int rows = Math.max(leastRows, values / length);
            if (rows >= shape.rows()) {
                return this;
            }
            float[] sampledValues = new float[rows * length];
            for (int row = 0; row < rows; row++) {
                source.readRows(row * shape.rows() / rows, 1, sampledValues, row * length);
            }
            Shape sampled = Shape.of(rows, length);
            TensorInfo info = new TensorInfo(source.info().name(), DType.F32, sampled);
            return new Undecided(name, current, sampled, new Computed(info, sampledValues), importance, barred);
        }
    }

    /** The tensors of which neither the user nor a rule of what is kept says what type they get, in the plan's order. */
    public static List<Undecided> undecided(Source source, FileType file, QuantizationOptions options) {
        return new Quantization(source, options).undecided(file);
    }

    private List<Undecided> undecided(FileType file) {
        List<TensorSource> kept = kept();
        Mix mix = mix(kept, file);
        List<Undecided> undecided = new ArrayList<>();
        for (TensorSource tensor : kept) {
            String name = tensor.info().name();
            Shape shape = tensor.info().shape().withoutOuterOnes();
            if (mix.decides(layers.renumbered(name), shape)) {
                float @Nullable [][] importance = importance(name, shape);
                Set<QuantType> barred = importance != null
                        ? Set.of()
                        : Arrays.stream(QuantType.values())
                                .filter(type -> Codecs.needsImportance(type)
                                        || mix.needsImportance(layers.renumbered(name), type))
                                .collect(Collectors.toSet());
                undecided.add(new Undecided(layers.renumbered(name), current(name), shape, tensor, importance, barred));
            }
        }
        return undecided;
    }

    /** @param file empty for a copy */
    private record Job(String label, long fileType, Optional<FileType> file) {}

    private static Job copyOf(Source source) {
        long number = source.model()
                .metadata()
                .integer("general.file_type")
                .orElseGet(() -> GuessedFileType.of(source.types().entrySet().stream()
                        .sorted(Map.Entry.comparingByKey(ORDER))
                        .map(Map.Entry::getValue)
                        .toList()));
        return new Job("COPY", number, Optional.empty());
    }

    private OutputPlan whole(Job job) {
        return new OutputPlan(job.label, metadata(job.fileType), tensors(kept(), job));
    }

    /** In the reference's order, which is found once. */
    private List<TensorSource> kept() {
        List<TensorSource> found = ordered;
        if (found == null) {
            found = source.model().tensors().sources().stream()
                    .filter(tensor -> layers.keeps(tensor.info().name()))
                    .sorted(Comparator.comparing(tensor -> tensor.info().name(), ORDER))
                    .toList();
            ordered = found;
        }
        return found;
    }

    private List<OutputPlan> parts(Job job) {
        List<TensorSource> kept = new ArrayList<>();
        List<Integer> ends = new ArrayList<>();
        for (List<String> part : source.parts()) {
            for (String name : part) {
                if (layers.keeps(name)) {
                    kept.add(source.model().tensors().get(name).orElseThrow());
                }
            }
            ends.add(kept.size());
        }
        // Parts at the end that pruning emptied are no parts any more, as in the reference.
        while (ends.size() > 1 && ends.get(ends.size() - 2) == kept.size()) {
            ends.removeLast();
        }
        List<PlannedTensor> tensors = tensors(kept, job);
        List<OutputPlan> plans = new ArrayList<>();
        int begin = 0;
        for (int end : ends) {
            GgufMetadata metadata = plans.isEmpty() ? metadata(job.fileType) : new GgufMetadata();
            plans.add(new OutputPlan(job.label, metadata, tensors.subList(begin, end)));
            begin = end;
        }
        return Split.numbered(plans);
    }

    private List<PlannedTensor> tensors(List<TensorSource> kept, Job job) {
        Optional<Mix> mix = job.file.map(type -> mix(kept, type));
        List<PlannedTensor> tensors = new ArrayList<>();
        for (TensorSource tensor : kept) {
            tensors.add(plan(tensor, mix));
        }
        return tensors;
    }

    private Mix mix(List<TensorSource> kept, FileType file) {
        return new Mix(file, traits(kept), options.importance().isPresent() || options.sizesOnly(), options.mix());
    }

    /** Set again, a key goes to the end: gguf_set_val_u32 removes it first. */
    private GgufMetadata metadata(long fileType) {
        GgufMetadata metadata = new GgufMetadata(source.model().metadata());
        metadata.putLast("general.quantization_version", GgufValue.u32(Source.QUANTIZATION_VERSION));
        metadata.putLast("general.file_type", GgufValue.u32(fileType));
        Split.KEYS.forEach(metadata::remove);
        options.overrides().forEach(metadata::putLast);
        if (layers.prunes()) {
            metadata.putLast(
                    metadata.architecture() + ".block_count",
                    GgufValue.u32(layers.kept(source.types().keySet())));
        }
        return metadata;
    }

    private PlannedTensor plan(TensorSource tensor, Optional<Mix> mix) {
        String name = tensor.info().name();
        String newName = layers.renumbered(name);
        QuantType current = current(name);
        Shape shape = tensor.info().shape().withoutOuterOnes();
        Mix.Choice choice = mix.map(rules -> choose(rules, newName, shape, current))
                .orElseGet(() -> new Mix.Choice(current, "COPY"));
        if (shape.rowLength() % choice.type().blockLength() != 0) {
            throw refused(
                    name,
                    "rows of " + shape.rowLength() + " values are not whole " + choice.type() + " blocks of "
                            + choice.type().blockLength());
        }
        // Weights of a checkpoint that are packed as blocks of this very type.
        boolean packed = tensor.blocks()
                .filter(blocks -> blocks.encoding().equals(choice.type().name()))
                .filter(blocks -> blocks.factors().isEmpty())
                .isPresent();
        boolean same = current == choice.type() || packed;
        if (current.isQuantized() && !same && !options.allowRequantize()) {
            throw refused(name, "is already quantized (" + current + "), and would be again (" + choice.type() + ")")
                    .withHint("quantize from the F16, BF16 or F32 file, or say --allow-requantize: it costs quality");
        }
        if (!same && !current.isQuantized() && !isFloat(current)) {
            throw refused(name, "is " + current + ", which is not converted to " + choice.type());
        }
        float @Nullable [][] importance = same ? null : importance(name, shape);
        boolean needed =
                mix.map(rules -> rules.needsImportance(newName, choice.type())).orElse(false);
        if (needed && !same && importance == null && !options.sizesOnly()) {
            throw refused(
                            name,
                            options.importance().isPresent()
                                    ? "is not in the importance matrix, and " + choice.type() + " needs one"
                                    : choice.type() + " needs an importance matrix")
                    .withHint("give one with --imatrix that was made from this model, or a text with --calibrate");
        }
        boolean copied = same && (packed || isStored(tensor, current));
        boolean searched =
                options.method() == Method.SEARCH && CodeForm.of(choice.type()).isPresent();
        return new PlannedTensor(newName, choice.type(), shape, tensor, choice.rule(), copied, searched, importance);
    }

    /**
     * Whether its bytes can be taken, the tensor being planned as the type it has. A checkpoint's plain tensors are not
     * always stored as what they are planned as.
     */
    private static boolean isStored(TensorSource tensor, QuantType type) {
        return switch (tensor) {
            case Stored _ -> true;
            case Dequantized blocks -> blocks.encoding().equals(type.name());
            case Renamed renamed ->
                renamed.source() instanceof Dequantized blocks
                        && blocks.encoding().equals(type.name());
            default -> false;
        };
    }

    private Mix.Choice choose(Mix mix, String name, Shape shape, QuantType current) {
        try {
            return mix.choose(name, shape, current);
        } catch (IllegalArgumentException e) {
            throw refused(name, String.valueOf(e.getMessage())).withCause(e);
        }
    }

    private static boolean isFloat(QuantType type) {
        return type == QuantType.F32 || type == QuantType.F16 || type == QuantType.BF16;
    }

    private float @Nullable [][] importance(String name, Shape shape) {
        Optional<ImportanceMatrix.Entry> entry = options.importance().flatMap(matrix -> matrix.entry(name));
        if (entry.isEmpty()) {
            return null;
        }
        Optional<float[][]> weights = entry.get().weights(shape);
        if (weights.isPresent()) {
            return weights.get();
        }
        if (TensorRole.of(name) == TensorRole.TOKEN_EMBEDDING) {
            // Those of an embedding that served as output matrix are of no use; the reference ignores them.
            return null;
        }
        float[][] values = entry.get().values();
        throw refused(
                        name,
                        "the importance matrix has " + (long) values.length * values[0].length + " values, expected "
                                + ImportanceMatrix.matrices(shape) * shape.rowLength())
                .withHint("the matrix was made from another model");
    }

    private QuantType current(String name) {
        QuantType type = source.types().get(name);
        if (type == null) {
            throw new IllegalStateException("no type for " + name);
        }
        return type;
    }

    private InputException refused(String tensor, String problem) {
        return InputException.of(source.path(), "tensor " + Quoted.of(tensor), problem);
    }

    private static int layer(String name) {
        Matcher matcher = LAYER.matcher(name);
        // A number too long for an int is no layer; it sorts by its text.
        return matcher.find() && matcher.group(1).length() <= 9 ? Integer.parseInt(matcher.group(1)) : -1;
    }

    private Mix.Traits traits(List<TensorSource> kept) {
        // The reference reads its hyperparameters through the overrides.
        GgufMetadata metadata = new GgufMetadata(source.model().metadata());
        options.overrides().forEach(metadata::put);
        String prefix = metadata.architecture() + ".";
        int heads = size(metadata, prefix + "attention.head_count", 0);
        int values = (int) kept.stream()
                .filter(tensor -> TensorRole.of(tensor.info().name()) == TensorRole.ATTENTION_V)
                .count();
        boolean tied = kept.stream().noneMatch(tensor -> tensor.info().name().equals("output.weight"));
        return new Mix.Traits(
                metadata.architecture(),
                size(metadata, prefix + "block_count", 0),
                heads,
                size(metadata, prefix + "attention.head_count_kv", heads),
                size(metadata, prefix + "expert_count", 0),
                values,
                tied);
    }

    /** An integer key, or the first element where it is an array with one for each layer. */
    private int size(GgufMetadata metadata, String key, int fallback) {
        GgufValue value = metadata.get(key).orElse(null);
        long number = switch (value) {
            case null -> fallback;
            case GgufValue.Int single -> single.value();
            case GgufValue.Ints array when array.size() > 0 -> array.values()[0];
            default ->
                throw InputException.expected(source.path(), "key " + Quoted.of(key), "an integer", value.type());
        };
        if (number < 0 || number > 1_000_000) {
            throw InputException.expected(source.path(), "key " + Quoted.of(key), "a size up to 1,000,000", number);
        }
        return (int) number;
    }
}
