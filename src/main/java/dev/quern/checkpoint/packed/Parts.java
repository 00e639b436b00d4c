package dev.quern.checkpoint.packed;

import dev.quern.checkpoint.Checkpoint;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tensor.DType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorInfo;
import dev.quern.tensor.TensorSource;
import dev.quern.tensor.Unpacked;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A checkpoint's tensors while they are sorted: which belong to packed weights, and what weights those make. */
final class Parts {
    private final Checkpoint checkpoint;
    private final Set<String> used = new LinkedHashSet<>();
    private final Map<String, TensorSource> weights = new LinkedHashMap<>();

    Parts(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    boolean has(String name) {
        return checkpoint.tensors().containsKey(name);
    }

    /** The stems of all names that end in {@code suffix}, in reading order. */
    List<String> stems(String suffix) {
        return checkpoint.tensors().keySet().stream()
                .filter(name -> name.endsWith(suffix))
                .map(name -> name.substring(0, name.length() - suffix.length()))
                .toList();
    }

    DType dtype(String name) {
        return info(name).dtype();
    }

    private TensorInfo info(String name) {
        TensorInfo info = checkpoint.tensors().get(name);
        if (info == null) {
            throw new IllegalArgumentException("no tensor " + name);
        }
        return info;
    }

    /** A part that has to be there; from now on it counts as used. */
    Part part(String name) {
        return find(name).orElseThrow(() -> refused(name, "is missing, and the weight is packed with it"));
    }

    Optional<Part> find(String name) {
        if (!has(name)) {
            return Optional.empty();
        }
        used.add(name);
        TensorInfo info = info(name);
        if (info.shape().elements() == 0) {
            throw refused(name, "holds no values, its shape is " + info.shape());
        }
        return switch (checkpoint.open(name, info.shape())) {
            case Stored stored -> Optional.of(new Part(info, stored.region()));
            default ->
                throw refused(name, "is a view with gaps; packed weights must lie in one piece")
                        .withHint("save the model as safetensors (transformers: save_pretrained)");
        };
    }

    /** Marks tensors that a packing has and a weight does not need, activations' scales for instance. */
    void drop(String name) {
        if (has(name)) {
            used.add(name);
        }
    }

    /** Marks all tensors whose name ends so. */
    void dropEnding(String... suffixes) {
        for (String suffix : suffixes) {
            stems(suffix).forEach(stem -> used.add(stem + suffix));
        }
    }

    void add(TensorSource weight) {
        weights.put(weight.info().name(), weight);
    }

    /** @param codes for messages */
    void add(String name, Shape shape, Part codes, dev.quern.tensor.RowReader rows) {
        add(new Unpacked(new TensorInfo(name, DType.F32, shape), codes.region(), rows));
    }

    Set<String> used() {
        return used;
    }

    Map<String, TensorSource> weights() {
        return weights;
    }

    InputException refused(String name, String problem) {
        return InputException.of(checkpoint.directory(), "tensor " + Quoted.of(name), problem);
    }
}
