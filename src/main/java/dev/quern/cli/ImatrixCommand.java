package dev.quern.cli;

import dev.quern.evaluation.Calibration;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.importance.ActivationSums;
import dev.quern.importance.ImportanceReader;
import dev.quern.importance.ImportanceWriter;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.report.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "imatrix",
        description =
                "Gathers an importance matrix from a calibration text, as llama-imatrix does, with activations in "
                        + "float; adds up and shows importance matrices.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern imatrix -m llama-7b/ -f calibration.txt -o llama-7b.imatrix.gguf",
            "  quern imatrix -m llama-7b/ -f calibration.txt -o llama-7b.imatrix.gguf --resume   after an interruption",
            "  quern imatrix --in-file a.gguf --in-file b.gguf -o both.gguf                      sums of two texts",
            "  quern imatrix --in-file old.dat -o new.gguf                                       the other format",
            "  quern imatrix --in-file a.gguf --show-statistics"
        })
final class ImatrixCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "A GGUF file, or a checkpoint as it is.")
    @Nullable
    Path model;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "TEXT",
            description = "The calibration text; without one, matrices of --in-file are added up.")
    @Nullable
    Path text;

    @Option(
            names = {"-o", "--output", "--output-file"},
            paramLabel = "FILE",
            description = "Where to (default: ${DEFAULT-VALUE}).")
    Path out = Path.of("imatrix.gguf");

    @Option(
            names = "--output-format",
            paramLabel = "FORMAT",
            description = "gguf or dat, the form from before 2025 (default: what -o ends with, otherwise gguf).")
    ImportanceWriter.@Nullable Format format;

    @Option(
            names = "--in-file",
            paramLabel = "FILE",
            split = ",",
            description = "An importance matrix to add to; repeatable.")
    List<Path> inputs = new ArrayList<>();

    @Option(
            names = {"-ofreq", "--output-frequency"},
            paramLabel = "N",
            description = "Save after every N windows (default: ${DEFAULT-VALUE}).")
    int outputEvery = 10;

    @Option(
            names = "--save-frequency",
            paramLabel = "N",
            description = "Keep a copy, FILE.at_N, after every N windows (default: none).")
    int copyEvery;

    @Option(names = "--resume", description = "Go on from FILE, which the same command began.")
    boolean resume;

    @Option(names = "--force", description = "Replace FILE if it exists.")
    boolean force;

    @Option(names = "--show-statistics", description = "Print statistics of one --in-file; gather nothing.")
    boolean showStatistics;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    CalibrationOptions calibration;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    EvaluationOptions options;

    @Override
    public Integer call() {
        options.check(spec);
        if (outputEvery < 1 || copyEvery < 0 || calibration.firstChunk < 0) {
            throw Quern.usage(spec, "--output-frequency, --save-frequency, --from-chunk: expected no negative number");
        }
        if (showStatistics) {
            return statistics();
        }
        refuseToReplace();
        ActivationSums sums = new ActivationSums(options.context);
        for (Path input : inputs) {
            sums.add(input.toString(), ImportanceReader.readSums(input, options.context));
        }
        if (text == null) {
            if (inputs.isEmpty() || resume) {
                throw Quern.usage(spec, "expected a text (-f) or importance matrices to add up (--in-file)");
            }
            write(sums, out, List.of());
            options.talk().say(out + ": " + sums.entries().size() + " entries, " + sums.chunks() + " chunks");
            nameUnseenExperts(sums);
            return 0;
        }
        if (model == null) {
            throw Quern.usage(spec, "-m: expected a model for the text");
        }
        return gather(model, text, sums);
    }

    private Integer statistics() {
        if (inputs.size() != 1) {
            throw Quern.usage(spec, "--show-statistics: expected one --in-file, found " + inputs.size());
        }
        System.out.print(ImportanceTables.of(ImportanceReader.read(inputs.getFirst()), options.json));
        return 0;
    }

    private void refuseToReplace() {
        if (Files.exists(out) && !force && !resume && !inputs.contains(out)) {
            throw new RefusedException(
                    out, "exists", "--force replaces it, --resume goes on from it, --in-file " + out + " adds to it");
        }
    }

    private Integer gather(Path modelPath, Path textPath, ActivationSums sums) {
        Talk talk = options.talk();
        Text read = EvaluationOptions.read(textPath, talk);
        long before = sums.chunks();
        long done = resume ? goOn(sums, textPath) : 0;
        if (done == 0) {
            sums.addDataset(textPath.toString());
        }
        try (EvaluatedModel evaluated = EvaluatedModel.open(modelPath)) {
            List<Path> reading = new ArrayList<>(evaluated.source().model().paths());
            reading.add(textPath);
            Optional<Windows> windows =
                    calibration.windows(evaluated, read, options.context, done, options.mostWindows());
            if (windows.isEmpty()) {
                talk.say(out + ": nothing is left to do, " + done + " chunks are there");
                return 0;
            }
            AtomicReference<Calibration.@Nullable Progress> latest = new AtomicReference<>();
            RunningEstimate running = new RunningEstimate(talk);
            Calibration.Result result;
            try (Forward forward = evaluated.forward(options.context, options.threads(), Forward.DEFAULT_MEMORY);
                    var _ = Interruption.saying(() -> interrupted(latest.get(), sums, before + done, reading))) {
                result = Calibration.collect(forward, windows.get(), calibration.options(), sums, progress -> {
                    latest.set(progress);
                    long all = done + progress.windowsDone();
                    if (progress.windowsDone() < progress.windows()) {
                        save(sums, before + all, all, reading);
                    }
                    running.windowDone(
                            progress.windowsDone(),
                            progress.windows(),
                            calibration.noPerplexity ? "" : estimate(progress.perplexity(), progress.error()),
                            progress.secondsLeft());
                });
            }
            write(sums, out, reading);
            print(evaluated, sums, result);
        }
        return 0;
    }

    /** Takes over what the file of an earlier run holds; how many of the text's windows that is. */
    private long goOn(ActivationSums sums, Path textPath) {
        if (!Files.exists(out)) {
            return 0;
        }
        ActivationSums saved = ImportanceReader.readSums(out, options.context);
        if (!inputs.isEmpty()
                || !saved.datasets().equals(List.of(textPath.toString()))
                || saved.window() != options.context) {
            throw new RefusedException(
                    out,
                    "expected what " + textPath + " alone gave in chunks of " + options.context + " tokens, found "
                            + String.join(" + ", saved.datasets()) + " in chunks of " + saved.window(),
                    "--resume goes on with the same text and context only; --in-file adds up others");
        }
        sums.add(out.toString(), saved);
        return saved.chunks();
    }

    private static String estimate(double perplexity, double error) {
        return String.format(Locale.ROOT, "PPL %.4f +/- %.5f", perplexity, error);
    }

    private void save(ActivationSums sums, long chunks, long ofText, List<Path> reading) {
        if (ofText % outputEvery == 0) {
            write(sums, out, reading);
        }
        if (copyEvery > 0 && ofText % copyEvery == 0) {
            write(sums, out.resolveSibling(out.getFileName() + ".at_" + chunks), reading);
        }
    }

    /** One at a time: an interruption may come while a window's save is going on. */
    private synchronized void write(ActivationSums sums, Path target, List<Path> reading) {
        ImportanceWriter.write(sums, target, format(), reading);
    }

    private void nameUnseenExperts(ActivationSums sums) {
        sums.matrix().entries().forEach((tensor, entry) -> {
            if (!entry.unseen().isEmpty()) {
                options.talk().say("note: " + out + ": " + tensor + ": experts " + entry.unseen() + " saw no token");
            }
        });
    }

    private ImportanceWriter.Format format() {
        return format == null ? ImportanceWriter.Format.of(out) : format;
    }

    private void interrupted(
            Calibration.@Nullable Progress done, ActivationSums sums, long chunksBefore, List<Path> reading) {
        if (done == null) {
            return;
        }
        ActivationSums saved = sums.copy();
        write(saved, out, reading);
        System.out.printf(
                Locale.ROOT,
                "%n%s(interrupted: %d of %d windows)%n",
                calibration.noPerplexity ? "" : perplexity(done.perplexity(), done.error()) + " ",
                saved.chunks() - chunksBefore,
                done.windows());
        options.talk().say(out + ": saved; the same command with --resume goes on");
    }

    private static String perplexity(double perplexity, double error) {
        return String.format(Locale.ROOT, "PPL = %.4f +/- %.5f", perplexity, error);
    }

    private void print(EvaluatedModel evaluated, ActivationSums sums, Calibration.Result result) {
        nameUnseenExperts(sums);
        PeakMemory memory = PeakMemory.now();
        if (options.json) {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("model", String.valueOf(model));
            map.put("kind", evaluated.source().kind());
            map.put("text", String.valueOf(text));
            map.put("file", out.toString());
            map.put("entries", sums.entries().size());
            map.put("chunks", sums.chunks());
            map.put("windows", result.windows());
            map.put("context", result.window());
            if (!calibration.noPerplexity) {
                map.put("perplexity", result.perplexity());
                map.put("error", result.error());
            }
            map.put("seconds", result.seconds());
            map.put("tokens_per_second", result.tokensPerSecond());
            map.put("peak_memory", memory.map());
            map.put("version", Version.text());
            System.out.println(Json.pretty(map));
        } else {
            if (!calibration.noPerplexity) {
                System.out.println(perplexity(result.perplexity(), result.error()));
            }
            options.talk()
                    .say(String.format(
                            Locale.ROOT,
                            "%s: %d entries, %d chunks of %d tokens, %.0f tokens/s",
                            out,
                            sums.entries().size(),
                            sums.chunks(),
                            sums.window(),
                            result.tokensPerSecond()));
            options.talk().say(memory.text());
        }
    }
}
