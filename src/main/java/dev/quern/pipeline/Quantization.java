package dev.quern.pipeline;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Mix;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import dev.quern.quantization.TensorRole;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What llama-quantize writes: its order of tensors and keys, its type for each tensor. */
public final class Quantization {
    private static final Pattern LAYER = Pattern.compile("^blk\\.(\\d+)\\.");

    private static final List<String> SPLIT_KEYS = List.of("split.no", "split.count", "split.tensors.count");

    private Quantization() {}

    /**
     * @param allowRequantize whether tensors that are quantized already may be quantized again
     * @param sizesOnly whether the plan is only to be measured: types that need an importance matrix do without one
     */
    public record Options(MixOptions mix, boolean allowRequantize, boolean sizesOnly) {
        public static final Options NONE = new Options(MixOptions.NONE, false, false);

        /** For saying what a type would cost. */
        public static Options sizesOnly(MixOptions mix) {
            return new Options(mix, true, true);
        }
    }

    /** @throws InputException when the source's tensors do not allow the type */
    public static OutputPlan plan(Source source, FileType file, Options options) {
        GgufMetadata metadata = new GgufMetadata(source.model().metadata());
        // Set again, a key goes to the end: gguf_set_val_u32 removes it first.
        metadata.putLast("general.quantization_version", GgufValue.u32(Source.QUANTIZATION_VERSION));
        metadata.putLast("general.file_type", GgufValue.u32(file.id()));
        SPLIT_KEYS.forEach(metadata::remove);

        List<TensorSource> sources = new ArrayList<>(source.model().tensors().sources());
        sources.sort(Comparator.comparing((TensorSource tensor) -> layer(tensor.info().name()))
                .thenComparing(tensor -> tensor.info().name()));
        Mix mix = new Mix(file, traits(source), false, options.mix());
        List<PlannedTensor> tensors = new ArrayList<>();
        for (TensorSource tensor : sources) {
            tensors.add(plan(source, tensor, mix, options));
        }
        return new OutputPlan(file, metadata, tensors);
    }

    private static PlannedTensor plan(Source source, TensorSource tensor, Mix mix, Options options) {
        String name = tensor.info().name();
        QuantType current = source.types().get(name);
        if (current == null) {
            throw new IllegalStateException("no type for " + name);
        }
        Shape shape = withoutOuterOnes(tensor.info().shape());
        Mix.Choice choice;
        try {
            choice = mix.choose(name, shape, current);
        } catch (IllegalArgumentException e) {
            throw refused(source, name, String.valueOf(e.getMessage()));
        }
        if (shape.rowLength() % choice.type().blockLength() != 0) {
            throw refused(source, name, "rows of " + shape.rowLength() + " values are not whole " + choice.type()
                    + " blocks of " + choice.type().blockLength());
        }
        if (current.isQuantized() && current != choice.type() && !options.allowRequantize()) {
            throw refused(source, name, "is already quantized (" + current + "), and would be again (" + choice.type() + ")")
                    .withHint("quantize from the F16, BF16 or F32 file, or say --allow-requantize: it costs quality");
        }
        if (mix.needsImportance(name, choice.type()) && !options.sizesOnly()) {
            throw refused(source, name, choice.type() + " needs an importance matrix");
        }
        boolean copied = current == choice.type() && (tensor instanceof Stored || tensor instanceof Dequantized);
        return new PlannedTensor(name, choice.type(), shape, tensor, choice.rule(), copied, null);
    }

    private static InputException refused(Source source, String tensor, String problem) {
        return InputException.of(source.path(), "tensor " + Quoted.of(tensor), problem);
    }

    private static int layer(String name) {
        Matcher matcher = LAYER.matcher(name);
        // A number too long for an int is no layer; it sorts by its text.
        return matcher.find() && matcher.group(1).length() <= 9 ? Integer.parseInt(matcher.group(1)) : -1;
    }

    /** ggml keeps no trailing ones, which are the outermost here. */
    private static Shape withoutOuterOnes(Shape shape) {
        long[] dims = shape.dims();
        int from = 0;
        while (from < dims.length - 1 && dims[from] == 1) {
            from++;
        }
        return from == 0 ? shape : Shape.of(Arrays.copyOfRange(dims, from, dims.length));
    }

    private static Mix.Traits traits(Source source) {
        GgufMetadata metadata = source.model().metadata();
        String prefix = metadata.architecture() + ".";
        int layers = size(source, prefix + "block_count", 0);
        int heads = size(source, prefix + "attention.head_count", 0);
        int sharing = size(source, prefix + "attention.head_count_kv", heads);
        int values = (int) source.types().keySet().stream()
                .filter(name -> TensorRole.of(name) == TensorRole.ATTENTION_V)
                .count();
        boolean tied = !source.types().containsKey("output.weight");
        return new Mix.Traits(
                metadata.architecture(),
                layers,
                heads,
                sharing == 0 ? 0 : heads / sharing,
                size(source, prefix + "expert_count", 0),
                values,
                tied);
    }

    /** An integer key, or the first element where it is an array with one for each layer. */
    private static int size(Source source, String key, int fallback) {
        GgufValue value = source.model().metadata().get(key).orElse(null);
        long number =
                switch (value) {
                    case null -> fallback;
                    case GgufValue.Int single -> single.value();
                    case GgufValue.Ints array when array.size() > 0 -> array.values()[0];
                    default ->
                        throw InputException.of(source.path(), "key " + Quoted.of(key), "expected an integer, found "
                                + value.type());
                };
        if (number < 0 || number > 1_000_000) {
            throw InputException.of(source.path(), "key " + Quoted.of(key), "expected a size up to 1,000,000, found " + number);
        }
        return (int) number;
    }
}
