package dev.quern.pipeline;

import dev.quern.concurrent.Workers;
import dev.quern.io.FileOperations;
import dev.quern.io.InputException;
import dev.quern.io.OutputFile;
import dev.quern.quantization.BlockCodec;
import dev.quern.quantization.CodecWarmup;
import dev.quern.quantization.Codecs;
import dev.quern.quantization.Kernel;
import dev.quern.quantization.QuantType;
import dev.quern.tensor.RowTile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Carries plans out: reads each row of the source once and writes it to every output, in tiles of rows, by several
 * threads, each tile at its own place. The bytes do not depend on the number of threads.
 */
public final class Conversion {
    /** Up to here the scalar codecs are done before the vector kernels are compiled (measured with Q4_0 on two cores). */
    private static final long WARMED_VALUES = 64 << 20;

    private Conversion() {}

    /** A plan and where it goes. */
    public record Output(OutputPlan plan, Path target) {}

    /** From how many bytes of all outputs on a run is worth going on with when it was interrupted: seconds of work. */
    public static final long LARGE_BYTES = 256 << 20;

    /** When an interrupted run is gone on with, and what is done so far is kept for that. */
    public enum Resume {
        NEVER,
        /** When all outputs together have at least {@link #LARGE_BYTES}. */
        LARGE,
        ALWAYS
    }

    /**
     * @param threads workers
     * @param overwrite whether a target that exists may be replaced
     * @param allowNonFinite whether NaN, infinities and values beyond F16 go through to F32, F16 and BF16 as they are
     * @param operations the file system; it decides too whether the outputs survive a power cut once they are there
     * @param resume when to go on with an interrupted run
     * @param tool the version; a run goes on only with what the same version left
     * @param hashed whether each tensor's SHA-256 is wanted
     * @param judge decides which outputs may appear once they are complete
     * @param notices is told, in one line each, what became of an interrupted run
     */
    public record Options(
            int threads,
            Kernel kernel,
            boolean overwrite,
            boolean allowNonFinite,
            FileOperations operations,
            Resume resume,
            String tool,
            boolean hashed,
            Judge judge,
            Progress progress,
            Consumer<String> notices) {
        /** Outputs that survive a power cut, and of which nothing is kept when the run ends early. */
        public Options(int threads, Kernel kernel, boolean overwrite, boolean allowNonFinite, Progress progress) {
            this(
                    threads,
                    kernel,
                    overwrite,
                    allowNonFinite,
                    FileOperations.REAL,
                    Resume.NEVER,
                    "",
                    false,
                    Judge.NONE,
                    progress,
                    notice -> {});
        }

        public Options with(FileOperations newOperations) {
            return new Options(
                    threads,
                    kernel,
                    overwrite,
                    allowNonFinite,
                    newOperations,
                    resume,
                    tool,
                    hashed,
                    judge,
                    progress,
                    notices);
        }

        /** @param newTool the version */
        public Options with(Resume newResume, String newTool, Consumer<String> newNotices) {
            return new Options(
                    threads,
                    kernel,
                    overwrite,
                    allowNonFinite,
                    operations,
                    newResume,
                    newTool,
                    hashed,
                    judge,
                    progress,
                    newNotices);
        }

        public Options withHashes(boolean newHashed) {
            return new Options(
                    threads,
                    kernel,
                    overwrite,
                    allowNonFinite,
                    operations,
                    resume,
                    tool,
                    newHashed,
                    judge,
                    progress,
                    notices);
        }

        public Options with(Judge newJudge) {
            return new Options(
                    threads,
                    kernel,
                    overwrite,
                    allowNonFinite,
                    operations,
                    resume,
                    tool,
                    hashed,
                    newJudge,
                    progress,
                    notices);
        }
    }

    /**
     * An output whose every byte is on disk, and which has not got its name yet.
     *
     * @param target where it would appear
     * @param file where it is meanwhile
     */
    public record Complete(Path target, Path file) {}

    /** Looks at outputs before they appear. */
    public interface Judge {
        Judge NONE = outputs -> List.of();

        /**
         * @param outputs all of them, in order
         * @return those that must not appear; an older file of that name stays
         */
        Collection<Complete> rejected(List<Complete> outputs);
    }

    /** Bytes of scratch that carrying out a plan takes at most, whatever the model's size. */
    public static long bufferBytes(OutputPlan plan, int threads) {
        long longest = plan.tensors().stream()
                .mapToLong(tensor -> tensor.shape().rowLength())
                .max()
                .orElse(0);
        long floats = Math.max(RowTile.VALUES, longest) * Float.BYTES;
        // A thread has the floats of a tile, and its bytes once encoded: at most as many again. One thread alone never
        // waits for its turn to write.
        return threads * 2 * floats + (threads > 1 ? WriteTurns.MOST_WAITING * floats : 0);
    }

    /** A tensor's SHA-256, 64 hexadecimal digits, of its bytes in the output. */
    public record Hashed(String tensor, String sha256) {}

    /**
     * A finished output, which is in place.
     *
     * @param tensors in the file's order; empty when no hashes were asked for
     */
    public record Written(OutputPlan plan, Path file, long bytes, List<Hashed> tensors) {}

    /** As {@link #run(List, Inputs, Options)}, with the files as they are now. */
    public static List<Written> run(List<Output> outputs, Collection<Path> inputs, Options options) {
        return run(outputs, Inputs.of(inputs), options);
    }

    /**
     * @throws dev.quern.io.InputException when a value cannot be stored, or when an input changed meanwhile
     * @throws dev.quern.io.OutputException when an output cannot be written; none appears then, unless the message says
     *     that only its last step failed
     * @return those that the judge let appear
     */
    public static List<Written> run(List<Output> outputs, Inputs inputs, Options options) {
        return run(outputs, inputs, options, Start.USUAL);
    }

    /**
     * How codecs begin.
     *
     * @param warmedValues models up to here start scalar and go on with vectors when their kernels are compiled; of a
     *     larger one every worker compiles its kernels within its first tiles, at less than scalar code costs
     * @param codecs makes the codecs of larger models
     */
    record Start(long warmedValues, BiFunction<QuantType, Kernel, BlockCodec> codecs) {
        static final Start USUAL = new Start(WARMED_VALUES, Codecs::create);
    }

    static List<Written> run(List<Output> outputs, Inputs inputs, Options options, Start start) {
        List<Target> targets = outputs.stream().map(Target::new).toList();
        try {
            open(targets, inputs, options);
            writeTensors(targets, options, start);
            inputs.requireUnchanged();
            targets.forEach(Target::finish);
            List<Target> accepted = accepted(targets, options.judge());
            publish(accepted);
            return accepted.stream().map(Target::written).toList();
        } catch (RuntimeException | Error e) {
            throw explained(e, inputs, targets);
        } finally {
            close(targets, options);
        }
    }

    private static void open(List<Target> targets, Inputs inputs, Options options) {
        long total =
                targets.stream().mapToLong(target -> target.layout.fileSize()).sum();
        boolean journaled = switch (options.resume()) {
            case NEVER -> false;
            case LARGE -> total >= LARGE_BYTES;
            case ALWAYS -> true;
        };
        for (Target target : targets) {
            target.open(inputs, journaled, options);
        }
        for (Target target : targets) {
            target.resume(options.notices());
        }
        Map<Path, Long> missing = new LinkedHashMap<>();
        for (Target target : targets) {
            missing.merge(target.file().target(), target.missing(), Math::addExact);
        }
        OutputFile.requireSpace(missing, options.operations());
    }

    /** What failed while a file changed under the reader failed because of that: values, structure, even the mapping. */
    private static RuntimeException explained(Throwable failure, Inputs inputs, List<Target> targets) {
        try {
            inputs.requireUnchanged();
        } catch (InputException changed) {
            targets.forEach(Target::discard);
            if (changed != failure) {
                changed.addSuppressed(failure);
            }
            return changed;
        }
        if (failure instanceof InputException) {
            // The same command would fail again; there is nothing to go on with.
            targets.forEach(Target::discard);
        }
        return switch (failure) {
            case RuntimeException e -> e;
            case Error e -> throw e;
            default -> new IllegalStateException(failure);
        };
    }

    private static void close(List<Target> targets, Options options) {
        RuntimeException failure = null;
        for (Target target : targets) {
            try {
                target.close();
            } catch (RuntimeException e) {
                failure = e;
            }
            target.kept().ifPresent(kept -> options.notices().accept("note: " + kept));
        }
        if (failure != null) {
            throw failure;
        }
    }

    /**
     * Makes the outputs appear, the last first: the first part of a split model is the one that readers open, and when
     * it is there the others are. An older first part goes before anything else comes, so that it never stands among the
     * new ones. When a part cannot be published, those of its model that were are taken back, unless the next run goes
     * on with them.
     */
    private static void publish(List<Target> targets) {
        List<Target> parts = new ArrayList<>();
        try {
            for (Target target : targets) {
                if (target.isFirstOfSeveral() && !target.isPublished()) {
                    target.file().removeOld();
                }
            }
            for (Target target : targets.reversed()) {
                target.file().publish();
                if (target.isPart()) {
                    parts.add(target);
                }
                if (target.isFirstOfSeveral()) {
                    parts.clear();
                }
            }
        } catch (RuntimeException e) {
            parts.forEach(part -> part.file().takeBack(e));
            throw e;
        }
        targets.forEach(target -> target.file().done());
    }

    /** The others are given up, even one that an earlier run has published and could not say so. */
    private static List<Target> accepted(List<Target> targets, Judge judge) {
        List<Complete> complete = targets.stream().map(Target::complete).toList();
        Collection<Complete> rejected = judge.rejected(complete);
        List<Target> accepted = new ArrayList<>();
        for (int i = 0; i < targets.size(); i++) {
            if (rejected.contains(complete.get(i))) {
                targets.get(i).reject();
            } else {
                accepted.add(targets.get(i));
            }
        }
        return accepted;
    }

    /** Some rows of one tensor, and all their places: the blocks of one may be there while another's are to be made. */
    record Tile(List<Target.Place> places, long firstRow, int rows) {
        long values() {
            return rows * places.getFirst().tensor().source().info().shape().rowLength();
        }
    }

    private static void writeTensors(List<Target> targets, Options options, Start start) {
        long values =
                targets.stream().mapToLong(target -> target.plan.parameters()).sum();
        if (options.kernel() == Kernel.SCALAR || values > start.warmedValues()) {
            writeTensors(targets, options, type -> start.codecs().apply(type, options.kernel()));
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
                if (!tensor.copied() && !tensor.searched()) {
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
        Map<String, List<Target.Place>> places = places(targets);
        options.progress()
                .begin(
                        "converting",
                        places.values().stream().mapToLong(Tiles::valuesLeft).sum());
        Tiles tiles = new Tiles(places.values());
        List<TileWorker> own = Stream.generate(() -> new TileWorker(options, codecOf))
                .limit(options.threads())
                .toList();
        try (Workers workers = new Workers(options.threads(), "tiles")) {
            workers.each(tiles.count(), (index, worker) -> {
                Tile tile = tiles.next(worker % 2 == 1);
                own.get(worker).write(tile);
                options.progress().advance(tile.values());
            });
        }
        options.progress().end();
    }

    /** By tensor, in the first output's order: each tensor's places in all outputs. */
    private static Map<String, List<Target.Place>> places(List<Target> targets) {
        Map<String, List<Target.Place>> places = new LinkedHashMap<>();
        for (Target target : targets) {
            for (Target.Place place : target.places()) {
                places.computeIfAbsent(place.tensor().name(), name -> new ArrayList<>())
                        .add(place);
            }
        }
        return places;
    }
}
