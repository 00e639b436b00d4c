package dev.quern.pipeline;

import dev.quern.gguf.GgufLayout;
import dev.quern.gguf.GgufTensor;
import dev.quern.io.OutputException;
import dev.quern.io.OutputFile;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.CodecWarmup;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Carries plans out: reads each row of the source once and writes it to every output, in tiles of rows, by several
 * threads, each tile at its own place. The bytes do not depend on the number of threads.
 */
public final class Conversion {
    /** Values in a tile: half a MiB of floats stays in a core's second-level cache while every codec looks at it. */
    private static final int TILE_VALUES = 1 << 17;

    /** Up to here the scalar codecs are done before the vector kernels are compiled (measured with Q4_0 on two cores). */
    private static final long WARMED_VALUES = 64 << 20;

    private Conversion() {}

    /** A plan and where it goes. */
    public record Output(OutputPlan plan, Path target) {}

    /**
     * @param threads workers
     * @param overwrite whether a target that exists may be replaced
     * @param allowNonFinite whether NaN, infinities and values beyond F16 go through to F32, F16 and BF16 as they are
     * @param forced whether the outputs survive a power cut once they are there
     */
    public record Options(
            int threads, Kernel kernel, boolean overwrite, boolean allowNonFinite, boolean forced, Progress progress) {
        /** Outputs that survive a power cut. */
        public Options(int threads, Kernel kernel, boolean overwrite, boolean allowNonFinite, Progress progress) {
            this(threads, kernel, overwrite, allowNonFinite, true, progress);
        }
    }

    /** Bytes of scratch that carrying out a plan takes at most, whatever the model's size. */
    public static long bufferBytes(OutputPlan plan, int threads) {
        long longest = plan.tensors().stream()
                .mapToLong(tensor -> tensor.shape().rowLength())
                .max()
                .orElse(0);
        // Floats of a tile, and its bytes once encoded: at most as many again.
        return threads * Math.max(TILE_VALUES, longest) * 2 * Float.BYTES;
    }

    /** A finished output. */
    public record Written(Path file, long bytes) {}

    /**
     * @param inputs every file that is read, none of which may be written
     * @throws dev.quern.io.InputException when a value cannot be stored
     * @throws dev.quern.io.OutputException when an output cannot be written; none appears then
     */
    public static List<Written> run(List<Output> outputs, Collection<Path> inputs, Options options) {
        List<Target> targets = new ArrayList<>();
        try {
            Map<Path, Long> sizes = new LinkedHashMap<>();
            for (Output output : outputs) {
                GgufLayout layout = output.plan().layout();
                targets.add(new Target(output.plan(), layout));
                sizes.merge(output.target(), layout.fileSize(), Math::addExact);
            }
            OutputFile.requireSpace(sizes);
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).open(outputs.get(i).target(), inputs, options.overwrite(), options.forced());
            }
            writeTensors(targets, options);
            for (Target target : targets) {
                // The header comes last: a file without one is no GGUF, whatever happened to its data.
                target.file().write(target.layout.header(), 0);
            }
            return publish(targets);
        } finally {
            targets.forEach(Target::close);
        }
    }

    /**
     * Makes the outputs appear, the last first: the first part of a split model is the one that readers open, and when
     * it is there the others are. When one cannot be published, those before it are taken back.
     */
    private static List<Written> publish(List<Target> targets) {
        List<Written> written = new ArrayList<>();
        try {
            for (Target target : targets.reversed()) {
                written.addFirst(new Written(target.file().commit(), target.layout.fileSize()));
            }
            return written;
        } catch (RuntimeException e) {
            for (Written file : written) {
                try {
                    Files.deleteIfExists(file.file());
                } catch (IOException left) {
                    e.addSuppressed(OutputException.of(file.file(), "is left behind", left));
                }
            }
            throw e;
        }
    }

    /** One output while it is being written. */
    static final class Target {
        final OutputPlan plan;
        final GgufLayout layout;
        private @Nullable OutputFile file;

        Target(OutputPlan plan, GgufLayout layout) {
            this.plan = plan;
            this.layout = layout;
        }

        void open(Path path, Collection<Path> inputs, boolean overwrite, boolean forced) {
            file = OutputFile.create(path, layout.fileSize(), inputs, overwrite, forced);
        }

        OutputFile file() {
            if (file == null) {
                throw new IllegalStateException("not opened");
            }
            return file;
        }

        void close() {
            if (file != null) {
                file.close();
            }
        }
    }

    /** Where one tensor goes in one output. */
    record Place(Target target, PlannedTensor tensor, long position) {}

    /** Some rows of one source tensor, and all their places. */
    record Tile(TensorSource source, List<Place> places, long firstRow, int rows) {}

    private static void writeTensors(List<Target> targets, Options options) {
        long values =
                targets.stream().mapToLong(target -> target.plan.parameters()).sum();
        if (options.kernel() == Kernel.SCALAR || values > WARMED_VALUES) {
            // Of a large model every worker compiles its kernels within its first tiles, at less than scalar code
            // costs.
            writeTensors(targets, options, type -> Codecs.create(type, options.kernel()));
            return;
        }
        try (CodecWarmup warmup = CodecWarmup.start(uses(targets))) {
            writeTensors(targets, options, warmup::codec);
        }
    }

    /** Which codecs the outputs need, the one with the most values first. */
    private static List<CodecWarmup.Use> uses(List<Target> targets) {
        Map<CodecWarmup.Use, Long> values = new HashMap<>();
        for (Target target : targets) {
            for (PlannedTensor tensor : target.plan.tensors()) {
                if (!tensor.copied()) {
                    values.merge(
                            new CodecWarmup.Use(tensor.type(), tensor.importance() != null),
                            tensor.shape().elements(),
                            Math::addExact);
                }
            }
        }
        return values.entrySet().stream()
                .sorted(Map.Entry.<CodecWarmup.Use, Long>comparingByValue().reversed())
                .map(Map.Entry::getKey)
                .toList();
    }

    private static void writeTensors(List<Target> targets, Options options, Function<QuantType, BlockCodec> codecOf) {
        Map<String, List<Place>> places = places(targets);
        long total = places.values().stream()
                .mapToLong(list -> list.getFirst().tensor().shape().elements())
                .sum();
        options.progress().begin("converting", total);
        Tiles tiles = new Tiles(places.values().iterator());
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        Runnable work = () -> {
            TileWorker worker = new TileWorker(options, codecOf);
            // A flag instead of interrupts: an interrupt would close the channels for every thread.
            for (Tile tile = tiles.next(); tile != null && failure.get() == null; tile = tiles.next()) {
                try {
                    worker.write(tile);
                    options.progress()
                            .advance(tile.rows() * tile.source().info().shape().rowLength());
                } catch (Throwable e) {
                    failure.compareAndSet(null, e);
                }
            }
        };
        List<Thread> threads = new ArrayList<>();
        for (int i = 1; i < options.threads(); i++) {
            threads.add(Thread.ofPlatform().name("tiles-" + i).start(work));
        }
        work.run();
        for (Thread thread : threads) {
            join(thread);
        }
        options.progress().end();
        switch (failure.get()) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new IllegalStateException(e);
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

    /** By tensor, in the first output's order: each tensor's places in all outputs. */
    private static Map<String, List<Place>> places(List<Target> targets) {
        Map<String, List<Place>> places = new LinkedHashMap<>();
        for (Target target : targets) {
            Iterator<GgufTensor> placed = target.layout.tensors().iterator();
            for (PlannedTensor tensor : target.plan.tensors()) {
                places.computeIfAbsent(tensor.name(), name -> new ArrayList<>())
                        .add(new Place(target, tensor, target.layout.position(placed.next())));
            }
        }
        return places;
    }

    /** Hands out tiles, one after the other, to whoever asks. */
    private static final class Tiles {
        private final Iterator<List<Place>> tensors;
        private List<Place> places = List.of();
        private long row;

        Tiles(Iterator<List<Place>> tensors) {
            this.tensors = tensors;
        }

        synchronized @Nullable Tile next() {
            while (places.isEmpty() || row >= source().info().shape().rows()) {
                if (!tensors.hasNext()) {
                    return null;
                }
                places = tensors.next();
                row = 0;
            }
            TensorSource source = source();
            long length = Math.max(1, source.info().shape().rowLength());
            int rows = (int) Math.min(source.info().shape().rows() - row, Math.max(1, TILE_VALUES / length));
            Tile tile = new Tile(source, places, row, rows);
            row += rows;
            return tile;
        }

        private TensorSource source() {
            return places.getFirst().tensor().source();
        }
    }
}
