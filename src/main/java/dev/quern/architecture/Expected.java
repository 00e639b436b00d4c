package dev.quern.architecture;

import dev.quern.architecture.Architecture.TensorRule;
import dev.quern.io.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors that a page and a model's sizes call for, by GGUF's names and by the checkpoint's. */
final class Expected {
    /** No model has more layers, or experts in one; a hostile configuration is refused before it becomes a loop. */
    private static final long MOST = 1 << 16;

    private final List<Output> outputs = new ArrayList<>();
    private final Map<String, List<Output>> bySource = new LinkedHashMap<>();

    /**
     * A tensor of the GGUF.
     *
     * @param sources the checkpoint's tensors that make it, one or, stacked, one for each expert
     * @param huggingFace what its first source is called in Hugging Face's layout
     * @param group what comes together with it: a layer's experts are written when the last of them has been read
     */
    record Output(TensorRule rule, int layer, String name, List<String> sources, String huggingFace, String group) {
        boolean stacked() {
            return sources.size() > 1 || !group.equals(name);
        }
    }

    Expected(Architecture page, Sizes sizes, boolean huggingFace, Path config) {
        long layers = bounded(sizes.get("layers"), "layers", config);
        for (TensorRule rule : page.tensors()) {
            String pattern = huggingFace ? rule.huggingface() : rule.meta();
            if (pattern == null || !sizes.hold(rule.when(), 0)) {
                continue;
            }
            String from = rule.from();
            String to = rule.to();
            int first = rule.perLayer() && from != null ? Math.toIntExact(sizes.require(from, 0)) : 0;
            long end = !rule.perLayer() ? 1 : to == null ? layers : Math.min(layers, sizes.require(to, 0));
            for (int layer = first; layer < end; layer++) {
                if (sizes.hold(rule.when(), layer)) {
                    add(rule, layer, pattern, sizes, config);
                }
            }
        }
    }

    private void add(TensorRule rule, int layer, String pattern, Sizes sizes, Path config) {
        String name = at(rule.name(), layer);
        String source = at(pattern, layer);
        List<String> sources = new ArrayList<>();
        int expert = source.indexOf(Architecture.EXPERT);
        if (expert < 0) {
            sources.add(source);
        } else {
            long experts = bounded(
                    sizes.require(rule.shape().getFirst(), layer), rule.shape().getFirst(), config);
            for (int i = 0; i < experts; i++) {
                sources.add(source.replace(Architecture.EXPERT, Integer.toString(i)));
            }
        }
        String huggingFace = at(String.valueOf(rule.huggingface()), layer).replace(Architecture.EXPERT, "0");
        Output output =
                new Output(rule, layer, name, sources, huggingFace, expert < 0 ? name : source.substring(0, expert));
        outputs.add(output);
        for (String each : sources) {
            bySource.computeIfAbsent(each, _ -> new ArrayList<>()).add(output);
        }
    }

    private static long bounded(long count, String what, Path config) {
        if (count > MOST) {
            throw InputException.of(config, what + " is " + count + ", which no model has");
        }
        return count;
    }

    private static String at(String pattern, int layer) {
        return pattern.replace(Architecture.LAYER, Integer.toString(layer));
    }

    /** In the page's order. */
    List<Output> outputs() {
        return outputs;
    }

    /** What a checkpoint's tensor goes into; empty for one that the page does not know. */
    List<Output> of(String source) {
        return bySource.getOrDefault(source, List.of());
    }

    Map<String, List<Output>> bySource() {
        return bySource;
    }
}
