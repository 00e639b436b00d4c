package dev.quern.pipeline;

import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.QuantizeOptions;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.MixOptions;
import dev.quern.quantization.QuantType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** One wish, to be told to Quern and to llama.cpp alike. Each method answers this object, to be chained. */
final class Request {
    private final QuantizeOptions theirs = new QuantizeOptions();
    private final List<MixOptions.TypeOverride> overrides = new ArrayList<>();
    private final SequencedMap<String, GgufValue> keys = new LinkedHashMap<>();
    private final SortedSet<Integer> pruned = new TreeSet<>();
    private boolean pure;
    private boolean leaveOutput;
    private boolean requantize;
    private boolean copy;
    private boolean keepSplit;
    private Optional<QuantType> outputType = Optional.empty();
    private Optional<QuantType> embeddingType = Optional.empty();
    private Optional<ImportanceMatrix> importance = Optional.empty();

    Request pure() {
        pure = true;
        theirs.pure();
        return this;
    }

    Request leaveOutput() {
        leaveOutput = true;
        theirs.leaveOutputTensor();
        return this;
    }

    Request requantize() {
        requantize = true;
        theirs.allowRequantize();
        return this;
    }

    Request copy() {
        copy = true;
        theirs.onlyCopy();
        return this;
    }

    /** {@code out} is then the name before the number of the part. */
    Request keepSplit() {
        keepSplit = true;
        theirs.keepSplit();
        return this;
    }

    Request output(QuantType type) {
        outputType = Optional.of(type);
        theirs.outputType(type.id());
        return this;
    }

    Request embedding(QuantType type) {
        embeddingType = Optional.of(type);
        theirs.embeddingType(type.id());
        return this;
    }

    Request tensor(String regex, QuantType type) {
        overrides.add(new MixOptions.TypeOverride(Pattern.compile(regex), type));
        theirs.tensorType(regex, type.id());
        return this;
    }

    Request importance(ImportanceMatrix matrix) {
        importance = Optional.of(matrix);
        matrix.entries().forEach((name, entry) -> {
            float[][] rows = entry.values();
            float[] run = new float[rows.length * rows[0].length];
            for (int i = 0; i < rows.length; i++) {
                System.arraycopy(rows[i], 0, run, i * rows[0].length, rows[0].length);
            }
            theirs.importance(name, run);
        });
        return this;
    }

    /** @param native_ the same value as llama.cpp takes it: Long, Double, Boolean or String */
    Request key(String key, GgufValue value, Object native_) {
        keys.put(key, value);
        theirs.metadata(key, native_);
        return this;
    }

    Request prune(int... layers) {
        for (int layer : layers) {
            pruned.add(layer);
        }
        theirs.prune(layers);
        return this;
    }

    /** @throws AssertionError when llama.cpp refuses */
    void theirs(Path in, FileType type, Path out) {
        LlamaCpp.require().quantizeModel(in, out, type.id(), 2, theirs);
    }

    /** @throws dev.quern.io.InputException when Quern refuses */
    void ours(Path in, FileType type, Path out) {
        QuantizationOptions options = new QuantizationOptions(
                new MixOptions(pure, leaveOutput, outputType, embeddingType, overrides),
                requantize,
                importance,
                keys,
                pruned,
                false);
        try (Source source = Source.open(in)) {
            List<Conversion.Output> outputs;
            if (keepSplit) {
                List<OutputPlan> plans =
                        copy ? Quantization.copyParts(source, options) : Quantization.planParts(source, type, options);
                outputs = Split.numberedOutputs(plans, out);
            } else {
                OutputPlan plan = copy ? Quantization.copy(source, options) : Quantization.plan(source, type, options);
                outputs = List.of(new Conversion.Output(plan, out));
            }
            Conversion.run(outputs, List.of(in), new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
        }
    }
}
