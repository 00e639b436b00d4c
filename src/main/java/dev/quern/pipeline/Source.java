package dev.quern.pipeline;

import dev.quern.architecture.CheckpointModel;
import dev.quern.architecture.GeneralMetadata;
import dev.quern.architecture.Model;
import dev.quern.checkpoint.Checkpoint;
import dev.quern.checkpoint.Checkpoints;
import dev.quern.checkpoint.Layout;
import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufModel;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.DType;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import dev.quern.tokenizer.HuggingFaceVocabulary;
import dev.quern.tokenizer.SentencePieceModel;
import dev.quern.tokenizer.Vocabulary;
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
 */
public record Source(
        Path path,
        String kind,
        Model model,
        SequencedMap<String, QuantType> types,
        FileType lossless,
        List<List<String>> parts,
        Optional<GeneralMetadata> general)
        implements AutoCloseable {

    /** Two since October 2023 (ggml.h, GGML_QNT_VERSION): how blocks are laid out. */
    static final int QUANTIZATION_VERSION = 2;

    /**
     * @param overrides a JSON object of {@code general.*} keys, or null
     * @param name the model's name as the user wants it, or null
     * @param notices is told, in one line each, what the reader should know of the source
     */
    public record Options(
            @Nullable Path overrides, @Nullable String name, Consumer<String> notices) {
        public static final Options NONE = new Options(null, null, notice -> {});
    }

    public static Source open(Path path) {
        return open(path, Options.NONE);
    }

    /** @throws dev.quern.io.InputException when the path is nothing that Quern reads */
    public static Source open(Path path, Options options) {
        return GgufFile.isGguf(path) ? ofGguf(path) : ofCheckpoint(path, options);
    }

    private static Source ofGguf(Path path) {
        GgufModel file = GgufModel.open(path);
        SequencedMap<String, QuantType> types = new LinkedHashMap<>();
        for (GgufTensor tensor : file.tensors().values()) {
            types.put(tensor.name(), tensor.type());
        }
        Model model = new Model(path.toString(), file.metadata(), file.graph(), file.files());
        FileType type = FileType.fromId(
                        file.metadata().integer("general.file_type").orElse(-1))
                .orElse(FileType.F32);
        int parts = file.parts().size();
        String kind = "GGUF v" + file.parts().getFirst().version() + (parts > 1 ? " in " + parts + " parts" : "");
        return new Source(path, kind, model, types, type, file.names(), Optional.empty());
    }

    private static Source ofCheckpoint(Path path, Options options) {
        Checkpoint checkpoint = Checkpoints.open(path);
        try {
            CheckpointModel family = CheckpointModel.of(checkpoint);
            TensorGraph graph = family.graph();
            FileType lossless = lossless(graph);
            long parameters = graph.sources().stream()
                    .mapToLong(source -> source.info().shape().elements())
                    .sum();
            GeneralMetadata general = GeneralMetadata.read(
                    checkpoint.directory(),
                    checkpoint.config().text("_name_or_path"),
                    parameters,
                    options.overrides(),
                    options.name());
            GgufMetadata metadata = new GgufMetadata()
                    .put("general.architecture", GgufValue.text(family.page().gguf()))
                    .put("general.type", GgufValue.text("model"));
            general.writeTo(metadata);
            family.writeMetadata(metadata, lossless.id());
            metadata.put("general.quantization_version", GgufValue.u32(QUANTIZATION_VERSION));
            vocabulary(checkpoint, family.sizes().get("vocabulary"), options.notices())
                    .writeTo(metadata);
            SequencedMap<String, QuantType> types = new LinkedHashMap<>();
            for (TensorSource source : graph.sources()) {
                types.put(source.info().name(), CheckpointTypes.of(source.info(), lossless));
            }
            String kind = checkpoint.layout() == Layout.META ? "Meta checkpoint" : "Hugging Face checkpoint";
            Model model = new Model(path.toString(), metadata, graph, checkpoint.files());
            return new Source(
                    path, kind, model, types, lossless, List.of(List.copyOf(types.keySet())), Optional.of(general));
        } catch (RuntimeException e) {
            checkpoint.close();
            throw e;
        }
    }

    private static Vocabulary vocabulary(Checkpoint checkpoint, long rows, Consumer<String> notices) {
        if (checkpoint.layout() == Layout.HUGGING_FACE) {
            return HuggingFaceVocabulary.read(checkpoint.directory(), OptionalLong.of(rows), notices);
        }
        Path file = checkpoint.directory().resolve("tokenizer.model");
        SentencePieceModel model = SentencePieceModel.read(file);
        model.notices().forEach(notices);
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
