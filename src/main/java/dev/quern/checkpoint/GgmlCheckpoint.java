package dev.quern.checkpoint;

import dev.quern.checkpoint.ggml.GgmlFile;
import dev.quern.checkpoint.ggml.GgmlFile.Hyperparameters;
import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A LLaMA in one file of llama.cpp before GGUF. Names and head order are Meta's. What the file does not say is what the
 * program of the time took for granted: LLaMA 1, or LLaMA 2 where key and value heads are shared, which LLaMA 1 never
 * does.
 */
public final class GgmlCheckpoint implements Checkpoint {
    private final Path path;
    private final MappedFile file;
    private final GgmlFile ggml;
    private final ModelConfig config;

    private GgmlCheckpoint(Path path, MappedFile file) {
        this.path = path;
        this.file = file;
        this.ggml = GgmlFile.read(file);
        this.config = new ModelConfig(path, translated());
        config.checkHeads();
    }

    static GgmlCheckpoint open(Path path) {
        refuseParts(path);
        MappedFile file = MappedFile.open(path);
        try {
            return new GgmlCheckpoint(path, file);
        } catch (RuntimeException | Error e) {
            file.close();
            throw e;
        }
    }

    /** Until 30 March 2023 larger models were written in two to eight files, each with some rows or columns. */
    private static void refuseParts(Path path) {
        String name = String.valueOf(path.getFileName());
        boolean first = Files.exists(path.resolveSibling(name + ".1"));
        if (first || name.matches(".*\\.bin\\.[1-7]")) {
            throw InputException.of(path, "is one of the parts that a model was cut into before 30 March 2023")
                    .withHint("such a model is not read; convert Meta's original files (consolidated.NN.pth)");
        }
    }

    private ObjectNode translated() {
        Hyperparameters sizes = ggml.hyperparameters();
        if (sizes.heads() == 0 || sizes.width() % sizes.heads() != 0) {
            throw InputException.of(path, "header", sizes.heads() + " heads do not divide the width " + sizes.width());
        }
        long headSize = sizes.width() / sizes.heads();
        if (headSize == 0) {
            throw InputException.of(path, "header", "the width is 0");
        }
        long keyRows = rows("layers.0.attention.wk.weight");
        if (keyRows == 0 || keyRows % headSize != 0) {
            throw InputException.of(
                    path,
                    "tensor \"layers.0.attention.wk.weight\"",
                    "expected rows for whole heads of " + headSize + ", found " + keyRows);
        }
        boolean shared = keyRows != sizes.width();
        ObjectNode out = JsonNodeFactory.instance.objectNode();
        out.putArray("architectures").add("LlamaForCausalLM");
        out.put("model_type", "llama");
        out.put("hidden_size", sizes.width());
        out.put("num_hidden_layers", sizes.layers());
        out.put("num_attention_heads", sizes.heads());
        out.put("num_key_value_heads", keyRows / headSize);
        out.put("intermediate_size", rows("layers.0.feed_forward.w1.weight"));
        out.put("vocab_size", sizes.vocabulary());
        out.put("rms_norm_eps", shared ? 1e-5 : 1e-6);
        out.put("max_position_embeddings", shared ? 4096 : 2048);
        out.put("rope_theta", 10_000.0);
        out.put("tie_word_embeddings", false);
        return out;
    }

    private long rows(String name) {
        TensorSource source = ggml.tensors().get(name);
        if (source == null) {
            throw InputException.of(path, "tensor " + Quoted.of(name), "is not in this file")
                    .withHint("of the models before GGUF, LLaMA is read");
        }
        return source.info().shape().rows();
    }

    /** {@code GGJT v3} */
    public String version() {
        return ggml.version().toString();
    }

    /** llama_ftype, the same number as GGUF's general.file_type. */
    public long fileType() {
        return ggml.hyperparameters().fileType();
    }

    /** Each token's bytes, by id, as the program of the time printed them. */
    public byte[][] tokens() {
        return ggml.tokens();
    }

    /** Each token's score; empty in files of before 20 March 2023. */
    public Optional<float[]> scores() {
        return ggml.scores();
    }

    @Override
    public Layout layout() {
        return Layout.GGML;
    }

    @Override
    public Path directory() {
        return Checkpoints.directoryOf(path);
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public SequencedMap<String, TensorInfo> tensors() {
        SequencedMap<String, TensorInfo> infos = new LinkedHashMap<>();
        ggml.tensors().forEach((name, source) -> infos.put(name, source.info()));
        return infos;
    }

    @Override
    public SequencedMap<String, String> unreadable() {
        return new TreeMap<>();
    }

    @Override
    public TensorSource open(String name, Shape expected) {
        TensorSource source = ggml.tensors().get(name);
        if (source == null) {
            throw InputException.of(path, "tensor " + Quoted.of(name), "is not in this file");
        }
        if (!source.info().shape().equals(expected)) {
            throw InputException.expected(
                    path,
                    "tensor " + Quoted.of(name),
                    "the shape " + expected,
                    source.info().shape());
        }
        return source;
    }

    @Override
    public List<MappedFile> files() {
        return List.of(file);
    }

    @Override
    public List<String> notes() {
        return List.of(path + ": files before GGUF say neither the norm's epsilon nor the context length; took "
                + config.requireReal("rms_norm_eps") + " and " + config.requireInteger("max_position_embeddings")
                + ", as of LLaMA " + (config.requireReal("rms_norm_eps") == 1e-6 ? 1 : 2));
    }

    @Override
    public void verifyChecksums() {}

    @Override
    public void close() {
        file.close();
    }
}
