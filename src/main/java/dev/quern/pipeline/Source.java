package dev.quern.pipeline;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.Architecture.Stage;
import dev.quern.architecture.CheckpointModel;
import dev.quern.architecture.GeneralMetadata;
import dev.quern.architecture.Model;
import dev.quern.architecture.Pages;
import dev.quern.architecture.ParameterCount;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.GgmlCheckpoint;
import dev.quern.checkpoint.Layout;
import dev.quern.checkpoint.lora.LoraAdapter;
import dev.quern.checkpoint.lora.MergedCheckpoint;
import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufModel;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Renamed;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import dev.quern.tokenizer.GgmlVocabulary;
import dev.quern.tokenizer.HuggingFaceVocabulary;
import dev.quern.tokenizer.MetaVocabulary;
import dev.quern.tokenizer.SentencePieceModel;
import dev.quern.tokenizer.TokenizerFile;
import dev.quern.tokenizer.Vocabulary;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A model as the user named it, opened: a GGUF file, or a checkpoint seen as the GGUF it would become.
 *
 * @param path what the user named
 * @param kind for people, e.g. "GGUF v3" or "Meta checkpoint"
 * @param model metadata and tensors; for a checkpoint those of its lossless form
 * @param types what each tensor is stored as, or would be in the lossless form
 * @param lossless the smallest of F16, BF16 and F32 that holds every value of the source; for a GGUF the type it has
 * @param parts for each GGUF file of the model, the names of its tensors in the order of their bytes; one list of all
 *     for a checkpoint, however many files it has
 * @param general what the default file name is made of; empty for a GGUF
 * @param page what it was seen through; empty for a GGUF, which speaks for itself
 * @param checksums reads every weight once and refuses those that differ from the checksums in their files, which torch's
 *     zip files have; whoever makes a model of the source runs it first
 */
public record Source(
        Path path,
        String kind,
        Model model,
        SequencedMap<String, QuantType> types,
        FileType lossless,
        List<List<String>> parts,
        Optional<GeneralMetadata> general,
        Optional<Architecture> page,
        Runnable checksums)
        implements AutoCloseable {

    /** Two since October 2023 (ggml.h, GGML_QNT_VERSION): how blocks are laid out. */
    static final int QUANTIZATION_VERSION = 2;

    /**
     * @param overrides a JSON object of {@code general.*} keys, or null
     * @param name the model's name as the user wants it, or null
     * @param adapters LoRA adapters to merge, in this order
     * @param architecture a page of the user's own that describes the checkpoint, or null
     * @param preTokenizer the name of a byte-level vocabulary's pre-tokenizer, or null to have it recognised
     * @param notices is told, in one line each, what the reader should know of the source
     */
    public record Options(
            @Nullable Path overrides,
            @Nullable String name,
            List<Lora> adapters,
            @Nullable Path architecture,
            @Nullable String preTokenizer,
            Consumer<String> notices) {
        public static final Options NONE = new Options(null, null, List.of(), notice -> {});

        /** With a family and a pre-tokenizer that Quern knows. */
        public Options(@Nullable Path overrides, @Nullable String name, List<Lora> adapters, Consumer<String> notices) {
            this(overrides, name, adapters, null, null, notices);
        }

        public Options {
            adapters = List.copyOf(adapters);
        }
    }

    /**
     * A LoRA adapter, and how much of it.
     *
     * @param factor 1 for all of it
     */
    public record Lora(Path directory, float factor) {}

    public static Source open(Path path) {
        return open(path, Options.NONE);
    }

    /** @throws dev.quern.io.InputException when the path is nothing that Quern reads */
    public static Source open(Path path, Options options) {
        if (!GgufFile.isGguf(path)) {
            return ofCheckpoint(path, opened(path, options.adapters()), options);
        }
        if (!options.adapters().isEmpty()) {
            throw InputException.of(path, "is a GGUF file, and an adapter is merged into a checkpoint")
                    .withHint(
                            "give the checkpoint, or convert the adapter (quern convert ADAPTER --base MODEL) and load"
                                    + " it beside the GGUF");
        }
        return ofGguf(path, GgufModel.open(path), options);
    }

    /**
     * As {@link #open(Path, Options)}, for its metadata and vocabulary: a Hugging Face directory may have no weights, and
     * gives a model without tensors then.
     *
     * @throws dev.quern.io.InputException when the path is nothing that Quern reads
     */
    public static Source openForVocabulary(Path path, Options options) {
        if (!options.adapters().isEmpty() || GgufFile.isGguf(path)) {
            return open(path, options);
        }
        return ofCheckpoint(path, Checkpoints.openForVocabulary(path), options);
    }

    /**
     * A GGUF model by its files, whatever they are called.
     *
     * @param paths all parts, in order
     * @throws dev.quern.io.InputException when they are no such model
     */
    public static Source openParts(List<Path> paths) {
        return ofGguf(paths.getFirst(), GgufModel.open(paths), Options.NONE);
    }

    /** Whether some tensor is quantized already. */
    public boolean isQuantized() {
        return types.values().stream().anyMatch(QuantType::isQuantized);
    }

    /** What runners cannot do with a file of this family, for whoever makes one; empty where there is nothing to say. */
    public Optional<String> runners() {
        return page.or(() -> Architecture.of(model.metadata()))
                .flatMap(family -> Optional.ofNullable(family.runners()));
    }

    private static Source ofGguf(Path path, GgufModel file, Options options) {
        file.parts().forEach(part -> part.warnings().forEach(options.notices()));
        SequencedMap<String, QuantType> types = new LinkedHashMap<>();
        for (GgufTensor tensor : file.tensors().values()) {
            types.put(tensor.name(), tensor.type());
        }
        Model model = new Model(path.toString(), file.metadata(), file.graph(), file.files());
        FileType type = FileType.fromId(
                        file.metadata().integer("general.file_type").orElse(-1))
                .orElse(FileType.F32);
        return new Source(
                path, kind(file), model, types, type, file.names(), Optional.empty(), Optional.empty(), () -> {});
    }

    private static Source ofCheckpoint(Path path, Checkpoint checkpoint, Options options) {
        try {
            CheckpointModel family = CheckpointModel.of(
                    checkpoint, Optional.ofNullable(options.architecture()).map(Pages::read));
            boolean withoutWeights = checkpoint.files().isEmpty();
            TensorGraph graph = withoutWeights ? new TensorGraph() : family.graph();
            FileType lossless = checkpoint instanceof GgmlCheckpoint ggml ? fileType(ggml) : lossless(graph);
            GeneralMetadata general = GeneralMetadata.read(
                    checkpoint.directory(),
                    checkpoint.config().text("_name_or_path"),
                    ParameterCount.of(graph),
                    options.overrides(),
                    checkpoint instanceof GgmlCheckpoint && options.name() == null ? stem(path) : options.name());
            GgufMetadata metadata = new GgufMetadata()
                    .put("general.architecture", GgufValue.text(family.page().gguf()));
            family.writeMetadata(Stage.FIRST, metadata, lossless.id());
            metadata.put("general.type", GgufValue.text("model"));
            general.writeTo(metadata);
            family.writeMetadata(Stage.PARAMETERS, metadata, lossless.id());
            metadata.put("general.quantization_version", GgufValue.u32(QUANTIZATION_VERSION));
            family.writeMetadata(Stage.BEFORE_VOCABULARY, metadata, lossless.id());
            vocabulary(checkpoint, family, options).writeTo(metadata);
            family.writeMetadata(Stage.AFTER_VOCABULARY, metadata, lossless.id());
            SequencedMap<String, QuantType> types = new LinkedHashMap<>();
            for (TensorSource source : graph.sources()) {
                types.put(source.info().name(), type(checkpoint, source, lossless));
            }
            checkpoint.notes().forEach(options.notices());
            Model model = new Model(path.toString(), metadata, graph, checkpoint.files());
            return new Source(
                    path,
                    kind(checkpoint),
                    model,
                    types,
                    lossless,
                    List.of(List.copyOf(types.keySet())),
                    Optional.of(general),
                    Optional.of(family.page()),
                    checkpoint::verifyChecksums);
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private static String kind(GgufModel model) {
        GgufFile first = model.parts().getFirst();
        int parts = model.parts().size();
        return "GGUF v" + first.version()
                + (first.order() == ByteOrder.BIG_ENDIAN ? ", big-endian" : "")
                + (parts > 1 ? " in " + parts + " parts" : "");
    }

    private static String kind(Checkpoint checkpoint) {
        String kind = switch (checkpoint.layout()) {
            case HUGGING_FACE -> "Hugging Face checkpoint";
            case META -> "Meta checkpoint";
            case GGML -> checkpoint instanceof GgmlCheckpoint ggml ? ggml.version() : "GGML";
        };
        return kind
                + checkpoint.packing().map(packing -> " packed by " + packing).orElse("");
    }

    private static String stem(Path path) {
        String name = String.valueOf(path.getFileName());
        return name.contains(".") ? name.substring(0, name.lastIndexOf('.')) : name;
    }

    /** Number 4 was Q4_1 with some tensors in F16; 5 and 6 went with their block types. */
    private static FileType fileType(GgmlCheckpoint ggml) {
        return ggml.fileType() == 4
                ? FileType.Q4_1
                : FileType.fromId(ggml.fileType()).orElse(FileType.F32);
    }

    /** A file of llama.cpp's has tensors of GGUF's types, which they keep. */
    private static QuantType type(Checkpoint checkpoint, TensorSource source, FileType lossless) {
        if (checkpoint.layout() == Layout.GGML && source instanceof Renamed renamed) {
            Optional<QuantType> stored = switch (renamed.source()) {
                case Dequantized blocks -> QuantType.fromName(blocks.encoding());
                case Stored plain -> QuantType.fromName(plain.info().dtype().name());
                default -> Optional.empty();
            };
            // Q4_2 and Q4_3 are no longer types; F32 holds their values.
            return stored.orElse(QuantType.F32);
        }
        return CheckpointTypes.of(source.info(), lossless);
    }

    private static Checkpoint opened(Path path, List<Lora> adapters) {
        Checkpoint checkpoint = Checkpoints.open(path);
        try {
            for (Lora lora : adapters) {
                checkpoint = merged(checkpoint, lora);
            }
            return checkpoint;
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private static Checkpoint merged(Checkpoint base, Lora lora) {
        LoraAdapter adapter = LoraAdapter.open(lora.directory());
        try {
            return MergedCheckpoint.of(base, adapter, lora.factor());
        } catch (RuntimeException e) {
            adapter.close();
            throw e;
        }
    }

    private static Vocabulary vocabulary(Checkpoint checkpoint, CheckpointModel family, Options options) {
        long rows = family.tokens();
        if (checkpoint.layout() == Layout.HUGGING_FACE) {
            return HuggingFaceVocabulary.read(
                    checkpoint.directory(),
                    new HuggingFaceVocabulary.Request(
                            Vocabularies.kinds(family.page().vocabulary()),
                            OptionalLong.of(rows),
                            Optional.ofNullable(options.preTokenizer())),
                    options.notices());
        }
        if (checkpoint instanceof GgmlCheckpoint ggml) {
            return GgmlVocabulary.of(ggml.tokens(), ggml.scores());
        }
        Path directory = checkpoint.directory();
        TokenizerFile named =
                !TokenizerFile.TOKENIZER_MODEL.isIn(directory) && TokenizerFile.TOKENIZER_MODEL_3.isIn(directory)
                        ? TokenizerFile.TOKENIZER_MODEL_3
                        : TokenizerFile.TOKENIZER_MODEL;
        Path file = named.in(directory);
        if (MetaVocabulary.isRanks(file)) {
            return MetaVocabulary.read(file, rows);
        }
        SentencePieceModel model = SentencePieceModel.read(file);
        model.notices().forEach(options.notices());
        return model.vocabulary(file, rows);
    }

    /** What a matrix of the source is stored as decides; where they differ, F32 holds them all. */
    private static FileType lossless(TensorGraph graph) {
        List<DType> dtypes = graph.sources().stream()
                .filter(source -> source.info().shape().rank() > 1)
                .map(source -> source.info().dtype())
                .distinct()
                .toList();
        if (dtypes.size() != 1) {
            return FileType.F32;
        }
        return switch (dtypes.getFirst()) {
            case F16 -> FileType.F16;
            case BF16 -> FileType.BF16;
            default -> FileType.F32;
        };
    }

    @Override
    public void close() {
        model.close();
    }
}
