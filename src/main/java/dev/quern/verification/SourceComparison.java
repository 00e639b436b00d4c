package dev.quern.verification;

import dev.quern.concurrent.Workers;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.io.Quoted;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowTile;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A finished GGUF against the checkpoint or file that it was made of: metadata, and every tensor, value by value. */
public final class SourceComparison {
    private SourceComparison() {}

    /**
     * @param threads workers; the result is the same for any number
     * @param fitted whether codes may have been fitted to what layers compute: their error is then no measure
     * @param importance what the file was quantized with, if anything: without it such blocks are not recognised
     */
    public record Options(int threads, boolean fitted, Optional<ImportanceMatrix> importance, Progress progress) {}

    /**
     * @param tensors those that both have, in the file's order
     * @param differences one line for each; none when the file is what the source makes it
     * @param notes what the reader should know and what is no fault
     */
    public record Result(List<TensorResult> tensors, List<String> differences, List<String> notes) {
        public Result {
            tensors = List.copyOf(tensors);
            differences = List.copyOf(differences);
            notes = List.copyOf(notes);
        }
    }

    /** @throws dev.quern.io.InputException when one of the two cannot be read */
    public static Result of(Source file, Source against, Options options) {
        List<String> differences = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        MetadataComparison.compare(file.model().metadata(), against.model().metadata(), differences, notes);
        Map<String, TensorSource> wanted = against.model().tensors().asMap();
        List<TensorComparison> pairs = new ArrayList<>();
        for (TensorSource tensor : file.model().tensors().sources()) {
            String name = tensor.info().name();
            TensorSource source = wanted.get(name);
            if (source == null) {
                differences.add("tensor " + Quoted.of(name) + ": is not in the source");
                continue;
            }
            Shape expected = source.info().shape();
            if (!expected.withoutOuterOnes().equals(tensor.info().shape().withoutOuterOnes())) {
                differences.add("tensor " + Quoted.of(name) + ": expected shape " + expected + ", found "
                        + tensor.info().shape());
                continue;
            }
            QuantType type = typeOf(file, name);
            boolean copied = typeOf(against, name) == type;
            float @Nullable [][] importance = copied
                    ? null
                    : options.importance()
                            .flatMap(matrix -> matrix.entry(name))
                            .flatMap(entry -> entry.weights(tensor.info().shape()))
                            .orElse(null);
            boolean referenced = copied || !Codecs.needsImportance(type) || importance != null;
            pairs.add(
                    new TensorComparison(name, type, tensor, source, importance, referenced, options.fitted(), copied));
        }
        for (String name : wanted.keySet()) {
            if (file.model().tensors().get(name).isEmpty()) {
                differences.add("tensor " + Quoted.of(name) + ": is missing");
            }
        }
        run(pairs, options);
        List<TensorResult> results =
                pairs.stream().map(TensorComparison::result).toList();
        for (TensorResult result : results) {
            if (result.problem() != null) {
                differences.add("tensor " + Quoted.of(result.name()) + ": " + result.problem());
            }
        }
        if (options.importance().isEmpty()
                && file.model().metadata().get("quantize.imatrix.file").isPresent()) {
            notes.add("the file was quantized with an importance matrix: give it with --imatrix, and blocks are"
                    + " compared byte for byte");
        }
        return new Result(results, differences, notes);
    }

    private static void run(List<TensorComparison> pairs, Options options) {
        record Work(TensorComparison pair, int tile) {}
        List<Work> work = new ArrayList<>();
        for (TensorComparison pair : pairs) {
            for (int tile = 0; tile < pair.tiles(); tile++) {
                work.add(new Work(pair, tile));
            }
        }
        options.progress().begin("comparing", (long) work.size() * RowTile.VALUES);
        List<TensorComparison.Scratch> own = Stream.generate(TensorComparison.Scratch::new)
                .limit(options.threads())
                .toList();
        try (Workers workers = new Workers(options.threads(), "comparison")) {
            workers.each(work.size(), (index, worker) -> {
                work.get(index).pair().compare(work.get(index).tile(), own.get(worker));
                options.progress().advance(RowTile.VALUES);
            });
        }
        options.progress().end();
    }

    private static QuantType typeOf(Source source, String name) {
        QuantType type = source.types().get(name);
        if (type == null) {
            throw new IllegalStateException("no type for " + name);
        }
        return type;
    }
}
