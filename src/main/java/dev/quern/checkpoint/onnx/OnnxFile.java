package dev.quern.checkpoint.onnx;

import dev.quern.io.InputException;
import dev.quern.io.MappedFile;
import dev.quern.io.Quoted;
import dev.quern.tensor.DType;
import dev.quern.tensor.Stored;
import dev.quern.tensor.Strided;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * An ONNX model's initializers under the names that the model had in PyTorch. Exporters keep those of most parameters;
 * the matrix of a Linear they may transpose and call {@code onnx::MatMul_123}: there the node that multiplies with it
 * tells, by its name {@code /model/layers.0/self_attn/q_proj/MatMul} or its metadata. Constants of the graph that
 * belong to no module are left out.
 */
public final class OnnxFile implements AutoCloseable {
    private final MappedFile file;
    private final ExternalData external;
    private final OnnxGraph graph;
    private final SequencedMap<String, TensorSource> tensors = new TreeMap<>();
    private final SequencedMap<String, String> unreadable = new TreeMap<>();
    private final List<String> notes = new ArrayList<>();

    private OnnxFile(MappedFile file, ExternalData external, OnnxGraph graph) {
        this.file = file;
        this.external = external;
        this.graph = graph;
    }

    /**
     * Reads the graph; no weight is touched.
     *
     * @param directory where files with external data must lie
     * @throws InputException when it is no ONNX model, damaged or quantized
     */
    public static OnnxFile read(MappedFile file, Path directory) {
        ExternalData external = new ExternalData(file.path(), directory);
        try {
            OnnxFile model = new OnnxFile(file, external, OnnxGraph.read(file, external));
            model.name();
            return model;
        } catch (RuntimeException | Error e) {
            external.close();
            throw e;
        }
    }

    /** By name, in plain string order. */
    public SequencedMap<String, TensorSource> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    public SequencedMap<String, String> unreadable() {
        return Collections.unmodifiableSequencedMap(unreadable);
    }

    public List<String> notes() {
        return List.copyOf(notes);
    }

    /** Files with weights beside the model's own. */
    public List<MappedFile> externalFiles() {
        return external.files();
    }

    /** What the file is, for people: "ONNX of pytorch 2.13.0, 412 nodes, 39 initializers". */
    public String description() {
        return graph.description();
    }

    @Override
    public void close() {
        external.close();
    }

    /** Puts each initializer under its module's name. */
    private void name() {
        List<String> nameless = new ArrayList<>();
        graph.initializers().values().forEach(initializer -> {
            String own = initializer.name();
            OnnxGraph.Use use = graph.uses().get(own);
            boolean named = OnnxGraph.isParameter(own);
            if (named || use == null) {
                if (named) {
                    add(own, initializer, false);
                } else if (initializer.shape().rank() > 1) {
                    nameless.add(own);
                }
                return;
            }
            add(use.module() + ".weight", initializer, use.transposed());
        });
        graph.copies().forEach((name, original) -> {
            Initializer initializer = graph.initializers().get(original);
            if (initializer != null) {
                add(name, initializer, false);
            }
        });
        if (!nameless.isEmpty()) {
            notes.add(file.path() + ": initializers of no named module, not used: "
                    + String.join(
                            ", ", nameless.stream().limit(6).map(Quoted::of).toList())
                    + (nameless.size() > 6 ? " and " + (nameless.size() - 6) + " more" : ""));
        }
        if (tensors.isEmpty()) {
            throw InputException.of(file.path(), "no initializer has the name of a module's weight")
                    .withHint("export the model with its parameters' names (torch.onnx.export keeps them), or give the"
                            + " checkpoint that it was exported from");
        }
    }

    private void add(String name, Initializer initializer, boolean transposed) {
        Optional<DType> dtype = initializer.dtype();
        if (dtype.isEmpty() || initializer.data().isEmpty()) {
            unreadable.put(name, initializer.typeName() + (dtype.isEmpty() ? "" : " and has no values in one piece"));
            return;
        }
        Stored stored = new Stored(
                new TensorInfo(name, dtype.get(), initializer.shape()),
                initializer.data().get());
        if (transposed && initializer.shape().rank() != 2) {
            throw graph.refused(
                    initializer.name(),
                    "is the matrix of " + Quoted.of(name) + ", found the shape " + initializer.shape());
        }
        if (tensors.put(name, transposed ? Strided.transposed(stored) : stored) != null) {
            throw graph.refused(initializer.name(), "and another initializer are both " + Quoted.of(name));
        }
    }
}
