package dev.quern.checkpoint.torch;

import dev.quern.checkpoint.torch.PickleValue.Dict;
import dev.quern.checkpoint.torch.PickleValue.Tensor;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/** Finds the weights in what a pickle holds: a dict of tensors, or such a dict under one of the usual keys. */
final class StateDict {
    /** Trainers put the weights beside the optimizer's state under one of these. */
    private static final List<String> WRAPPERS = List.of("state_dict", "model", "module");

    private static final int MAX_TENSORS = 200_000;

    private StateDict() {}

    /** The tensors by name, in the order they were saved; other values are passed over. */
    static SequencedMap<String, Tensor> tensors(Path file, PickleValue root) {
        if (!(root instanceof Dict dict)) {
            throw InputException.of(file, "expected a dict of tensors, found " + PickleValue.kind(root))
                    .withHint("save model.state_dict()");
        }
        Dict weights = unwrap(file, dict);
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        weights.entries.forEach((key, value) -> {
            if (value instanceof Tensor tensor) {
                if (!(key instanceof String name)) {
                    throw InputException.of(file, "a tensor has a key that is no text");
                }
                tensors.put(name, tensor);
            }
        });
        if (tensors.isEmpty()) {
            throw InputException.of(file, "holds no tensors; its keys are " + keys(dict))
                    .withHint("save model.state_dict()");
        }
        if (tensors.size() > MAX_TENSORS) {
            throw InputException.of(file, "holds " + tensors.size() + " tensors, more than " + MAX_TENSORS);
        }
        return tensors;
    }

    private static Dict unwrap(Path file, Dict root) {
        List<String> found = WRAPPERS.stream()
                .filter(key -> root.entries.get(key) instanceof Dict inner
                        && inner.entries.values().stream().anyMatch(Tensor.class::isInstance))
                .toList();
        if (found.size() > 1) {
            throw InputException.of(file, "holds tensors under " + String.join(" and ", found) + ": which is meant?")
                    .withHint("save the one state_dict");
        }
        return found.isEmpty() || !(root.entries.get(found.getFirst()) instanceof Dict inner) ? root : inner;
    }

    private static String keys(Dict dict) {
        return dict.entries.keySet().stream()
                .limit(8)
                .map(key -> key instanceof String name ? Quoted.of(name) : "a key that is no text")
                .collect(Collectors.joining(", ", "[", dict.entries.size() > 8 ? ", …]" : "]"));
    }
}
