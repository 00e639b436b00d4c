package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.architecture.Model;
import dev.quern.evaluation.gemm.Blocked;
import dev.quern.evaluation.gemm.Packed;
import dev.quern.pipeline.Source;
import dev.quern.tensor.Replaceable;
import dev.quern.tensor.TensorGraph;
import dev.quern.tensor.TensorSource;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Inputs shown group by group, while the weights behind them are replaced one after the other, are those of ordinary
 * forward passes of the original model and of the model with all weights replaced: to the bit.
 */
class LayerInputsTest {
    private static final int WINDOWS = 5;

    /** A weight as quantization might leave it. */
    private static TensorSource disturbed(TensorSource source) {
        float[] values = new float[Math.toIntExact(source.info().shape().elements())];
        source.readRows(0, Math.toIntExact(source.info().shape().rows()), values, 0);
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.round(values[i] * 128) / 128f;
        }
        return InMemory.tensor(source.info(), values);
    }

    /** What is multiplied or looked up; the rest is read once, when a pass is made. */
    private static boolean isReplaced(TensorSource tensor) {
        String name = tensor.info().name();
        return tensor.info().shape().rank() > 1 && name.endsWith(".weight") && !name.contains("ssm_conv1d");
    }

    private static Model with(Model model, Map<String, ? extends TensorSource> tensors) {
        TensorGraph graph = new TensorGraph();
        for (TensorSource tensor : model.tensors().sources()) {
            String name = tensor.info().name();
            graph.add(tensors.containsKey(name) ? Objects.requireNonNull(tensors.get(name)) : tensor);
        }
        return new Model(model.origin(), model.metadata(), graph, List.of());
    }

    /** What an ordinary pass over each window sees: by tensor, window and expert. */
    private static Map<String, double[][][]> observed(Model model, Windows text) {
        Map<String, double[][][]> seen = new HashMap<>();
        try (Forward forward = Forward.of(model, Bundled.pass(model), text.length(), 1)) {
            for (int window = 0; window < text.count(); window++) {
                int at = window;
                forward.states(
                        text.input(window, 1),
                        0,
                        text.length(),
                        (tensor, which, squares, counts) ->
                                seen.computeIfAbsent(tensor, name -> new double[text.count()][][])[at] = squares);
            }
        }
        return seen;
    }

    private static float[] squares(Packed input, int first, int count) {
        float[] all = new float[input.width()];
        for (int block = 0; block < input.blocks(); block++) {
            float[] sums = new float[Blocked.BLOCK];
            for (int row = first; row < first + count; row++) {
                input.addSquares(block, row, sums);
            }
            System.arraycopy(sums, 0, all, block * Blocked.BLOCK, input.blockWidth(block));
        }
        return all;
    }

    private static void assertSame(float[] found, double[] expected, String what) {
        assertThat(found).as(what).hasSameSizeAs(expected);
        for (int i = 0; i < found.length; i++) {
            if (found[i] != expected[i]) {
                assertThat((double) found[i]).as("%s, column %d", what, i).isEqualTo(expected[i]);
            }
        }
    }

    private static void check(
            LayerInputs inputs,
            LayerInputs.Group group,
            Windows text,
            Map<String, double[][][]> before,
            Map<String, double[][][]> after) {
        boolean[] shown = new boolean[text.count()];
        if (group.byExperts()) {
            float[][][] found = new float[text.count()][][];
            inputs.showByExperts(group, (input, first, counts, tokens, window) -> {
                int windows = 1 + (Arrays.stream(tokens).max().orElseThrow()) / text.length();
                for (int which = 0; which < windows; which++) {
                    shown[window + which] = true;
                    found[window + which] = new float[counts.length][];
                    for (int expert = 0; expert < counts.length; expert++) {
                        int begin = first[expert];
                        int end = first[expert] + counts[expert];
                        while (begin < end && tokens[begin] / text.length() < which) {
                            begin++;
                        }
                        int count = 0;
                        while (begin + count < end && tokens[begin + count] / text.length() == which) {
                            count++;
                        }
                        found[window + which][expert] = squares(input, begin, count);
                    }
                }
            });
            for (String tensor : group.tensors()) {
                double[][][] expected = Objects.requireNonNull(after.get(tensor), tensor);
                for (int window = 0; window < text.count(); window++) {
                    for (int expert = 0; expert < expected[window].length; expert++) {
                        assertSame(
                                found[window][expert], expected[window][expert], tensor + " " + window + " " + expert);
                    }
                }
            }
        } else {
            inputs.show(group, (original, quantized, window, windows) -> {
                for (int which = 0; which < windows; which++) {
                    shown[window + which] = true;
                    for (String tensor : group.tensors()) {
                        assertSame(
                                squares(original.input(), which * text.length(), text.length()),
                                Objects.requireNonNull(before.get(tensor), tensor)[window + which][0],
                                "original " + tensor);
                        assertSame(
                                squares(quantized.input(), which * text.length(), text.length()),
                                Objects.requireNonNull(after.get(tensor), tensor)[window + which][0],
                                "quantized " + tensor);
                    }
                }
            });
        }
        assertThat(shown).containsOnly(true);
    }

    /** One window at a time, and all at once; lengths that are no whole tiles. */
    @ParameterizedTest
    @CsvSource({
        "test-data/models/tolstoy-4m, 0, 30",
        "test-data/models/tolstoy-4m, 536870912, 16",
        "test-data/models/addresses-3m, 536870912, 17",
        "test-data/evaluation/mixtral.gguf, 0, 13",
        "test-data/evaluation/mixtral.gguf, 536870912, 13",
        "test-data/evaluation/qwen2moe.gguf, 536870912, 13",
        "test-data/evaluation/gpt-oss.gguf, 536870912, 13",
        "test-data/evaluation/deepseek2.gguf, 536870912, 13",
        "test-data/evaluation/deepseek3.gguf, 0, 14",
        "test-data/evaluation/neox.gguf, 536870912, 13",
        "test-data/evaluation/falcon-40b.gguf, 536870912, 13",
        "test-data/evaluation/phi2.gguf, 0, 15",
        "test-data/evaluation/cohere2.gguf, 536870912, 13",
        "test-data/evaluation/gemma2.gguf, 536870912, 13",
        "test-data/evaluation/olmo2.gguf, 536870912, 13",
        "test-data/evaluation/bloom.gguf, 536870912, 13",
        "test-data/evaluation/granite.gguf, 0, 13",
        "test-data/evaluation/mpt.gguf, 536870912, 13",
        "test-data/evaluation/mamba.gguf, 0, 13",
        "test-data/evaluation/falcon-mamba.gguf, 536870912, 13"
    })
    void inputsAreThoseOfOrdinaryPasses(Path path, long memory, int length) {
        try (Source source = Source.open(path)) {
            Model model = source.model();
            Map<String, TensorSource> disturbed = new HashMap<>();
            Map<String, Replaceable> now = new HashMap<>();
            for (TensorSource tensor : model.tensors().sources()) {
                if (isReplaced(tensor)) {
                    disturbed.put(tensor.info().name(), disturbed(tensor));
                    now.put(tensor.info().name(), new Replaceable(tensor));
                }
            }
            int vocabulary;
            try (Forward forward = Forward.of(model, Bundled.pass(model), length, 1)) {
                vocabulary = forward.vocabulary();
            }
            int[] tokens = new Random(3).ints(WINDOWS * length, 0, vocabulary).toArray();
            Windows text = new Windows("text", tokens, OptionalInt.empty(), length, length, length / 2, WINDOWS);
            Map<String, double[][][]> before = observed(model, text);
            Map<String, double[][][]> after = observed(with(model, disturbed), text);
            try (Forward original = Forward.of(model, Bundled.pass(model), length, 2, memory);
                    Forward quantized = Forward.of(with(model, now), Bundled.pass(model), length, 2, memory);
                    Arena arena = Arena.ofConfined()) {
                assertThat(original.windowsInFlight() == 1).isEqualTo(memory == 0);
                LayerInputs inputs = new LayerInputs(
                        original, quantized, text, arena.allocate(LayerInputs.bytes(text, original), 8));
                Set<String> met = new HashSet<>();
                for (String name : now.keySet()) {
                    if (!name.startsWith("blk.") && !name.equals("output.weight")) {
                        replace(now, disturbed, name);
                    }
                }
                inputs.begin();
                for (int block = 0; block < inputs.blocks(); block++) {
                    List<LayerInputs.Group> groups = inputs.groups(block);
                    Set<String> own = new HashSet<>();
                    groups.forEach(group -> own.addAll(group.tensors()));
                    for (String name : now.keySet()) {
                        if (name.startsWith("blk." + block + ".") && !own.contains(name)) {
                            replace(now, disturbed, name);
                        }
                    }
                    for (LayerInputs.Group group : groups) {
                        check(inputs, group, text, before, after);
                        group.tensors().forEach(name -> replace(now, disturbed, name));
                        met.addAll(group.tensors());
                    }
                    // Once more, after attention was kept.
                    check(inputs, groups.getFirst(), text, before, after);
                    check(inputs, groups.getLast(), text, before, after);
                    inputs.advance(block);
                }
                check(inputs, inputs.output(), text, before, after);
                met.addAll(inputs.output().tensors());
                assertThat(met).isEqualTo(before.keySet());
            }
        }
    }

    private static void replace(Map<String, Replaceable> now, Map<String, TensorSource> disturbed, String name) {
        Replaceable tensor = now.get(name);
        if (tensor != null) {
            tensor.replace(Objects.requireNonNull(disturbed.get(name)));
        }
    }
}
