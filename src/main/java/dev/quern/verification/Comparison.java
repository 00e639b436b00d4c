package dev.quern.verification;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.io.Quoted;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Source;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.Shape;
import dev.quern.tensor.TensorSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A finished GGUF against the checkpoint or file that it was made of: metadata, and every tensor, value by value. */
public final class Comparison {
    private Comparison() {}

    /**
     * @param threads workers; the result is the same for any number
     * @param importance what the file was quantized with, if anything: without it such blocks are not recognised
     */
    public record Options(int threads, Optional<ImportanceMatrix> importance, Progress progress) {}

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
            if (!sameShape(expected, tensor.info().shape())) {
                differences.add("tensor " + Quoted.of(name) + ": expected shape " + expected + ", found "
                        + tensor.info().shape());
                continue;
            }
            QuantType type = typeOf(file, name);
            boolean copied = typeOf(against, name) == type;
            float @Nullable [][] importance =
                    copied ? null : importance(options, name, tensor.info().shape());
            boolean referenced = copied || !needsImportance(type) || importance != null;
            pairs.add(new TensorComparison(name, type, tensor, source, importance, referenced, copied));
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
        AtomicInteger next = new AtomicInteger();
        AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();
        options.progress().begin("comparing", (long) work.size() * TensorComparison.TILE_VALUES);
        Runnable worker = () -> {
            TensorComparison.Scratch scratch = new TensorComparison.Scratch();
            for (int i = next.getAndIncrement(); i < work.size() && failure.get() == null; i = next.getAndIncrement()) {
                try {
                    work.get(i).pair().compare(work.get(i).tile(), scratch);
                    options.progress().advance(TensorComparison.TILE_VALUES);
                } catch (RuntimeException e) {
                    failure.compareAndSet(null, e);
                }
            }
        };
        List<Thread> threads = new ArrayList<>();
        for (int i = 1; i < options.threads(); i++) {
            threads.add(Thread.ofPlatform().name("comparison-" + i).start(worker));
        }
        worker.run();
        for (Thread thread : threads) {
            join(thread);
        }
        options.progress().end();
        RuntimeException failed = failure.get();
        if (failed != null) {
            throw failed;
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static QuantType typeOf(Source source, String name) {
        QuantType type = source.types().get(name);
        if (type == null) {
            throw new IllegalStateException("no type for " + name);
        }
        return type;
    }

    /** ggml keeps no trailing dimensions of one, which are the outermost here. */
    private static boolean sameShape(Shape one, Shape other) {
        return Arrays.equals(withoutOuterOnes(one.dims()), withoutOuterOnes(other.dims()));
    }

    private static long[] withoutOuterOnes(long[] dims) {
        int from = 0;
        while (from < dims.length - 1 && dims[from] == 1) {
            from++;
        }
        return Arrays.copyOfRange(dims, from, dims.length);
    }

    /** The types whose reference quantizer cannot do without (ggml_quantize_requires_imatrix). */
    private static boolean needsImportance(QuantType type) {
        return type == QuantType.IQ2_XXS || type == QuantType.IQ2_XS || type == QuantType.IQ1_S;
    }

    private static float @Nullable [][] importance(Options options, String name, Shape shape) {
        Optional<ImportanceMatrix.Entry> entry = options.importance().flatMap(matrix -> matrix.entry(name));
        if (entry.isEmpty()) {
            return null;
        }
        float[][] values = entry.get().values();
        int matrices = shape.rank() < 3 ? 1 : Math.toIntExact(shape.dim(shape.rank() - 3));
        if (values.length == 1 && matrices > 1 && values[0].length == matrices * shape.rowLength()) {
            int columns = Math.toIntExact(shape.rowLength());
            float[][] parts = new float[matrices][];
            for (int i = 0; i < matrices; i++) {
                parts[i] = Arrays.copyOfRange(values[0], i * columns, (i + 1) * columns);
            }
            return parts;
        }
        return values.length == matrices && values[0].length == shape.rowLength() ? values : null;
    }
}
