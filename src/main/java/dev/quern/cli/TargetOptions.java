package dev.quern.cli;

import dev.quern.allocation.Floors;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.io.Shutdown;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.SizeTarget;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.TensorTypeFile;
import dev.quern.pipeline.TypeAllocation;
import dev.quern.pipeline.TypeSearch;
import dev.quern.pipeline.WantedSize;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.report.AllocationReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How large an output may be; the types with which it loses least then are Quern's to find. */
final class TargetOptions {
    @Option(
            names = "--target-size",
            paramLabel = "SIZE",
            converter = Size.class,
            description = "Choose the tensors' types so that the output, header and all, has at most so many bytes"
                    + " (4.2GB, 3900MiB) and its predictions change least: each type of each tensor is tried in the"
                    + " model on the text of --calibrate. TYPE stays the file's type and that of what is not decided.")
    @Nullable
    Long size;

    @Option(
            names = "--target-bpw",
            paramLabel = "N",
            description = "As --target-size, in bits of tensor data for each weight, such as 4.5.")
    @Nullable
    Double bitsPerWeight;

    @Option(
            names = "--floor",
            paramLabel = "[REGEX=]TYPE",
            converter = FloorConverter.class,
            description = "With a target: tensors whose name contains a match (without REGEX: all) get no type of fewer"
                    + " bits; repeatable, the first match holds (default: output.weight Q4_K, token_embd Q3_K, experts"
                    + " Q2_K).")
    List<Floors.Floor> floors = new ArrayList<>();

    @Option(
            names = "--save-tensor-types",
            paramLabel = "FILE",
            description = "With a target: write the types that were found, for --tensor-type-file, Quern's or"
                    + " llama-quantize's.")
    @Nullable
    Path saved;

    @Option(
            names = "--influence-text",
            paramLabel = "TEXT",
            description = "With a target: the text on which tensors are tried (default: that of --calibrate).")
    @Nullable
    Path text;

    @Option(
            names = "--influence-chunks",
            paramLabel = "N",
            description = "With a target: windows of it, spread over the text (default: up to 8, fewer for large"
                    + " models).")
    int chunks = -1;

    @Option(
            names = "--influence-types",
            paramLabel = "N",
            description =
                    "With a target: types of each tensor that are tried in the model at most; what the others cost"
                            + " follows from their errors (default: up to 12, fewer for large models).")
    int types = -1;

    boolean any() {
        return size != null || bitsPerWeight != null;
    }

    /** Refuses what contradicts itself. */
    void check(CommandSpec spec, TypeOptions typeOptions) {
        if (!any()) {
            if (!floors.isEmpty() || saved != null || text != null || chunks != -1 || types != -1) {
                throw Quern.usage(
                        spec,
                        "--floor, --save-tensor-types and --influence-… are of no use without --target-size or"
                                + " --target-bpw");
            }
            return;
        }
        if (size != null && bitsPerWeight != null) {
            throw Quern.usage(spec, "--target-size and --target-bpw: give one of them");
        }
        if (bitsPerWeight != null && !(bitsPerWeight > 0 && bitsPerWeight <= 32)) {
            throw Quern.usage(spec, "--target-bpw: expected bits such as 4.5, found " + bitsPerWeight);
        }
        if (typeOptions.pure) {
            throw Quern.usage(spec, "--pure is one type for all tensors, " + asked() + " a type for each");
        }
        if (!typeOptions.prunedLayers.isEmpty()) {
            throw Quern.usage(
                    spec,
                    asked() + ": tensors are tried in the whole model; prune its layers first, in a run of its own");
        }
        if (text == null && typeOptions.importance.text == null) {
            throw Quern.usage(
                    spec,
                    asked()
                            + ": expected --calibrate TEXT, on which tensors are tried (or --influence-text TEXT,"
                            + " beside an --imatrix that there is)");
        }
        if (chunks == 0 || chunks < -1 || types == 0 || types < -1) {
            throw Quern.usage(spec, "--influence-chunks and --influence-types: expected at least 1");
        }
    }

    private String asked() {
        return size != null
                ? "--target-size " + size
                : "--target-bpw " + java.util.Objects.requireNonNull(bitsPerWeight);
    }

    private WantedSize wanted() {
        Long bytes = size;
        return new WantedSize(
                bytes != null
                        ? new SizeTarget.FileBytes(bytes)
                        : new SizeTarget.BitsPerWeight(java.util.Objects.requireNonNull(bitsPerWeight)),
                floors,
                chunks > 0 ? OptionalInt.of(chunks) : OptionalInt.empty(),
                types > 0 ? OptionalInt.of(types) : OptionalInt.empty());
    }

    /** Notes what changes bytes. */
    void record(Map<String, String> options) {
        if (any()) {
            options.putAll(wanted().recorded());
        }
    }

    /** What decides bytes besides the options. */
    List<Path> files() {
        return text == null ? List.of() : List.of(text);
    }

    /** @param report what a result in JSON says of it */
    record Decided(QuantizationOptions options, Map<String, Object> report) {}

    /**
     * What can be decided without trying anything.
     *
     * @throws RefusedException when the target cannot be reached, whatever tensors can do without
     */
    void check(
            Source source,
            FileType file,
            QuantizationOptions options,
            Function<QuantizationOptions, List<Conversion.Output>> plans,
            RunOptions run) {
        checkSaved(source, run);
        TypeSearch.possible(source, file, options, wanted(), outputPlans(plans), asked());
    }

    private void checkSaved(Source source, RunOptions run) {
        if (saved != null) {
            OutputFile.check(saved, source.model().paths(), run.force);
        }
    }

    private static Function<QuantizationOptions, List<OutputPlan>> outputPlans(
            Function<QuantizationOptions, List<Conversion.Output>> outputs) {
        return given ->
                outputs.apply(given).stream().map(Conversion.Output::plan).toList();
    }

    /**
     * Finds the types, and says what was found: the frontier and each tensor's type on stdout unless that is for JSON.
     *
     * @param plans makes the outputs as they will be written
     * @throws RefusedException when the target cannot be reached
     */
    Decided decide(
            Source source,
            FileType file,
            TypeOptions typeOptions,
            QuantizationOptions options,
            Function<QuantizationOptions, List<Conversion.Output>> plans,
            RunOptions run,
            boolean dryRun,
            boolean json) {
        Talk talk = run.talk();
        checkSaved(source, run);
        TypeSearch search = TypeSearch.of(
                source,
                file,
                options,
                wanted(),
                outputPlans(plans),
                EvaluationOptions.read(
                        text == null ? java.util.Objects.requireNonNull(typeOptions.importance.text) : text, talk),
                typeOptions.importance.context,
                asked());
        if (dryRun) {
            talk.say("note: " + search.planned()
                    + ", which a dry run does not; the types below are not the final ones. Sizes " + search.possible()
                    + " are possible");
            return new Decided(
                    options, AllocationReport.map(search.allocation(), search.mostTrials(), search.windows()));
        }
        TypeAllocation.Result result;
        try (var _ = Interruption.saying(() -> Shutdown.say("interrupted: nothing is kept of what was tried for "
                + asked() + "; a recipe keeps types once found"))) {
            result = search.run(run.kernel, Math.max(1, run.threads), talk.progress("tensors"), talk::say);
        }
        if (!json && !run.quiet) {
            System.out.print(AllocationReport.text(result));
        }
        Path kept = saved;
        if (kept != null) {
            List<OutputPlan> decided = outputPlans(plans).apply(result.options());
            OutputFile.write(
                    kept, TensorTypeFile.text(kept, decided), source.model().paths(), run.force);
        }
        return new Decided(result.options(), AllocationReport.map(result));
    }

    /** The type among the usual ones whose own mix is nearest in size to the target. */
    FileType nearest(Function<FileType, List<OutputPlan>> plans) {
        return wanted().nearest(plans);
    }

    static final class Size implements ITypeConverter<Long> {
        @Override
        public Long convert(String given) {
            try {
                return SizeTarget.FileBytes.parse(given).most();
            } catch (SizeTarget.Unreadable e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }

    static final class FloorConverter implements ITypeConverter<Floors.Floor> {
        @Override
        public Floors.Floor convert(String given) {
            int equals = given.lastIndexOf('=');
            QuantType type = new TypeOptions.QuantTypes().convert(given.substring(equals + 1));
            try {
                return new Floors.Floor(Pattern.compile(equals < 0 ? "" : given.substring(0, equals)), type);
            } catch (PatternSyntaxException e) {
                throw new TypeConversionException(
                        "not a regular expression: " + e.getDescription() + " in '" + given + "'");
            }
        }
    }
}
