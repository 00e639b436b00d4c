package dev.quern.cli;

import dev.quern.evaluation.Calibration;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.importance.ImportanceWriter;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.ImportanceKeys;
import dev.quern.pipeline.PlannedImportance;
import dev.quern.pipeline.Source;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** Which columns count how much: an importance matrix from a file, or one made on the spot from a text. */
final class ImportanceOptions {
    @Option(
            names = "--imatrix",
            paramLabel = "FILE",
            description = "An importance matrix, as GGUF or .dat; some very small types need one. With --calibrate: "
                    + "where to keep the one that is made.")
    @Nullable
    Path file;

    @Option(
            names = "--calibrate",
            paramLabel = "TEXT",
            description = "Make an importance matrix from this text first, as quern imatrix does, and use it.")
    @Nullable
    Path text;

    @Option(
            names = "--calibrate-ctx",
            paramLabel = "N",
            description = "Tokens in a window of the calibration text (default: ${DEFAULT-VALUE}).")
    int context = 512;

    @Option(
            names = "--calibrate-chunks",
            paramLabel = "N",
            description = "Windows of the calibration text at most (default: all).")
    int chunks = -1;

    @Option(
            names = "--include-weights",
            paramLabel = "PART",
            description = "Use the importance matrix only for tensors whose name contains PART; repeatable.")
    List<String> included = new ArrayList<>();

    @Option(
            names = "--exclude-weights",
            paramLabel = "PART",
            description = "Do not use the importance matrix for tensors whose name contains PART; repeatable.")
    List<String> excluded = new ArrayList<>();

    /**
     * @param provenance the keys by which llama-quantize records where the importance came from
     */
    record Used(ImportanceMatrix matrix, Map<String, GgufValue> provenance) {}

    /** The importance matrix that is read: what --calibrate makes is none. */
    Optional<Path> given() {
        return text == null ? Optional.ofNullable(file) : Optional.empty();
    }

    Optional<Path> calibrationText() {
        return Optional.ofNullable(text);
    }

    /**
     * Refuses what is of no use.
     *
     * @param influence whether there is another text, whose windows are as long
     */
    void check(CommandSpec spec, boolean influence) {
        if (text == null) {
            Quern.refuseAlone(spec, "--calibrate TEXT", "--calibrate-chunks");
            if (!influence) {
                Quern.refuseAlone(spec, "--calibrate TEXT", "--calibrate-ctx");
            }
        }
        if (!any()) {
            Quern.refuseAlone(spec, "--imatrix or --calibrate", "--include-weights", "--exclude-weights");
        }
    }

    /** Notes what changes bytes. */
    void record(Map<String, String> options) {
        if (text != null) {
            options.put("calibrate_context", "" + context);
            if (chunks >= 0) {
                options.put("calibrate_chunks", "" + chunks);
            }
        }
        if (!included.isEmpty()) {
            options.put("include_weights", String.join(" ", included));
        }
        if (!excluded.isEmpty()) {
            options.put("exclude_weights", String.join(" ", excluded));
        }
    }

    /** Whether an importance matrix is going to be measured. */
    boolean calibrates() {
        return text != null;
    }

    boolean any() {
        return file != null || text != null;
    }

    /**
     * @param source what the calibration text runs through
     * @param dryRun whether a calibration is only planned: every matrix of a block then counts as calibrated, alike
     * @param enough refuses a text that is too short for what else it is wanted for
     * @return empty where the user wants none, or none of its entries
     */
    Optional<Used> used(Source source, RunOptions run, boolean dryRun, Consumer<Windows> enough) {
        if (!any()) {
            return Optional.empty();
        }
        String name = String.valueOf(file == null ? text : file);
        ImportanceMatrix read = text == null
                ? ImportanceReader.read(java.util.Objects.requireNonNull(file))
                : calibrated(source, text, run, dryRun, enough);
        ImportanceMatrix wanted = read.filtered(included, excluded);
        wanted.entries().forEach((tensor, entry) -> {
            if (!entry.unseen().isEmpty()) {
                run.talk()
                        .say("note: " + name + ": " + tensor + ": experts " + entry.unseen()
                                + " saw no token; all their columns count alike");
            }
        });
        return wanted.entries().isEmpty()
                ? Optional.empty()
                : Optional.of(new Used(
                        wanted, ImportanceKeys.of(Optional.ofNullable(file).map(Path::toString), wanted)));
    }

    private ImportanceMatrix calibrated(
            Source source, Path from, RunOptions run, boolean dryRun, Consumer<Windows> enough) {
        if (context < Windows.LEAST || chunks == 0) {
            throw new RefusedException(
                    from,
                    "windows of " + context + " tokens, " + chunks + " of them, cannot be",
                    "--calibrate-ctx takes at least " + Windows.LEAST + ", --calibrate-chunks at least 1");
        }
        List<Path> reading = new ArrayList<>(source.model().paths());
        reading.add(from);
        if (file != null) {
            if (Files.exists(file) && !run.force) {
                throw new RefusedException(
                        file, "exists", "with --calibrate it is where the importance matrix goes; --force replaces it");
            }
            OutputFile.check(file, reading, run.force);
        }
        Talk talk = run.talk();
        Text read = EvaluationOptions.read(from, talk);
        EvaluatedModel model = EvaluatedModel.of(source);
        Windows windows = model.windows(read, context, chunks < 0 ? Integer.MAX_VALUE : chunks);
        enough.accept(windows);
        ActivationSums sums = new ActivationSums(context);
        sums.addDataset(from.toString());
        if (dryRun) {
            PlannedImportance.add(source, (long) windows.count() * windows.length(), sums);
            talk.say(String.format(Locale.ROOT, "%s: %d chunks of %d tokens, not run", from, windows.count(), context));
            return sums.matrix();
        }
        RunningEstimate running = new RunningEstimate(talk);
        int threads = Math.max(1, run.threads);
        try (Forward forward = model.forward(context, threads, Forward.DEFAULT_MEMORY)) {
            Calibration.Result result = Calibration.collect(
                    forward,
                    windows,
                    new Calibration.Options(false, false),
                    sums,
                    done -> running.windowDone(done.windowsDone(), done.windows(), "calibrating", done.secondsLeft()));
            talk.say(String.format(
                    Locale.ROOT,
                    "%s: %d entries from %d chunks of %d tokens, %.1f s",
                    from,
                    sums.entries().size(),
                    sums.chunks(),
                    context,
                    result.seconds()));
        }
        if (file != null) {
            ImportanceWriter.write(sums, file, ImportanceWriter.Format.of(file), reading);
        }
        return sums.matrix();
    }

    /** What will be measured, before it is: entries for the same tensors, in which all columns count alike. */
    Optional<Used> alike(Source source) {
        ActivationSums sums = new ActivationSums(context);
        sums.addDataset(String.valueOf(text));
        PlannedImportance.add(source, context, sums);
        ImportanceMatrix wanted = sums.matrix().filtered(included, excluded);
        return wanted.entries().isEmpty()
                ? Optional.empty()
                : Optional.of(new Used(
                        wanted, ImportanceKeys.of(Optional.ofNullable(file).map(Path::toString), wanted)));
    }
}
