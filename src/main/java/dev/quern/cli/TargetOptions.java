package dev.quern.cli;

import dev.quern.allocation.Floors;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.EvaluatedModel;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.SizeTarget;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.TensorTypeFile;
import dev.quern.pipeline.TypeAllocation;
import dev.quern.pipeline.TypeInfluence;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import dev.quern.report.AllocationReport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How large an output may be; the types with which it loses least then are Quern's to find. */
final class TargetOptions {
    /** Positions at a window's beginning that are not asked: with so little before them they say little. */
    private static final int UNASKED = 8;

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

    SizeTarget target() {
        Long bytes = size;
        return bytes != null
                ? new SizeTarget.FileBytes(bytes)
                : new SizeTarget.BitsPerWeight(java.util.Objects.requireNonNull(bitsPerWeight));
    }

    /** Notes what changes bytes. */
    void record(Map<String, String> options) {
        if (!any()) {
            return;
        }
        if (size != null) {
            options.put("target_size", size.toString());
        }
        if (bitsPerWeight != null) {
            options.put("target_bpw", bitsPerWeight.toString());
        }
        if (!floors.isEmpty()) {
            List<String> texts = floors.stream()
                    .map(floor -> floor.pattern() + "=" + floor.type())
                    .toList();
            options.put("floors", String.join(" ", texts));
        }
        if (chunks > 0) {
            options.put("influence_chunks", "" + chunks);
        }
        if (types > 0) {
            options.put("influence_types", "" + types);
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
    TypeAllocation possible(
            Source source,
            FileType file,
            QuantizationOptions options,
            Function<QuantizationOptions, List<Conversion.Output>> plans,
            RunOptions run) {
        if (!file.base().isQuantized()) {
            throw new RefusedException(
                    source.path(),
                    asked() + " needs a quantized TYPE, and " + file + " is none",
                    "the type of most tensors, such as Q4_K_M");
        }
        Path kept = saved;
        if (kept != null && Files.exists(kept) && !run.force) {
            throw new RefusedException(kept, "exists", "--force replaces it");
        }
        return TypeAllocation.of(
                source,
                file,
                options,
                Floors.of(floors),
                target(),
                given ->
                        plans.apply(given).stream().map(Conversion.Output::plan).toList(),
                asked());
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
        TypeAllocation allocation = possible(source, file, options, plans, run);
        Path kept = saved;
        EvaluatedModel model = EvaluatedModel.of(source);
        Text read = EvaluationOptions.read(
                text == null ? java.util.Objects.requireNonNull(typeOptions.importance.text) : text, talk);
        Windows all = Windows.halves(
                read.origin(),
                model.tokens(read),
                model.beginning(),
                typeOptions.importance.context,
                Integer.MAX_VALUE);
        TypeInfluence.Effort affordable =
                TypeInfluence.Effort.affordable(source, allocation.tensors(), all.count(), all.length());
        TypeInfluence.Effort effort = new TypeInfluence.Effort(
                chunks > 0 ? Math.min(chunks, all.count()) : affordable.windows(),
                types > 0 ? types : affordable.types());
        long most = effort.most(allocation.tensors());
        String where = String.format(
                Locale.ROOT,
                "%d tensors on %d windows of %d tokens",
                allocation.tensors().size(),
                effort.windows(),
                all.length());
        if (dryRun) {
            talk.say("note: " + asked() + " decides after trying up to " + most + " types of " + where
                    + ", which a dry run does not; the types below are not the final ones. Sizes from "
                    + allocation.leastFileBytes() + " to " + allocation.mostFileBytes() + " bytes are possible");
            return new Decided(options, AllocationReport.map(allocation, most, effort.windows()));
        }
        Trials trials = new Trials(talk.progress("tensors"));
        long begun = System.nanoTime();
        TypeAllocation.Result result;
        try (TypeInfluence influence = TypeInfluence.open(
                source,
                model.pass(),
                all.spread(effort.windows(), Math.min(UNASKED, all.length() / 2)),
                TypeInfluence.encoder(run.kernel, typeOptions.method),
                Math.max(1, run.threads))) {
            result = allocation.decide(influence, effort.types(), trials);
        }
        trials.end();
        talk.say(String.format(
                Locale.ROOT,
                "%s: tried %d types of %s, %.1f s",
                read.origin(),
                trials.tried,
                where,
                (System.nanoTime() - begun) / 1e9));
        if (!json && !run.quiet) {
            System.out.print(AllocationReport.text(result));
        }
        if (kept != null) {
            List<OutputPlan> decided = plans.apply(result.options()).stream()
                    .map(Conversion.Output::plan)
                    .toList();
            OutputFile.write(
                    kept, TensorTypeFile.text(kept, decided), source.model().paths(), run.force);
        }
        return new Decided(result.options(), AllocationReport.map(result));
    }

    private static final class Trials implements TypeAllocation.Listener {
        private final Progress progress;
        private boolean begun;
        private long tried;

        Trials(Progress progress) {
            this.progress = progress;
        }

        @Override
        public void round(String what, long trials) {
            end();
            // What comes first computes errors, and tries nothing.
            tried += begun ? trials : 0;
            begun = true;
            progress.begin(what, trials);
        }

        @Override
        public void done() {
            progress.advance(1);
        }

        void end() {
            if (begun) {
                progress.end();
            }
        }
    }

    /** The type among the usual ones whose own mix is nearest in size to the target. */
    FileType nearest(Function<FileType, List<OutputPlan>> plans) {
        FileType nearest = FileType.Q4_K_M;
        long distance = Long.MAX_VALUE;
        for (FileType type : List.of(
                FileType.Q2_K, FileType.Q3_K_M, FileType.Q4_K_M, FileType.Q5_K_M, FileType.Q6_K, FileType.Q8_0)) {
            List<OutputPlan> planned = plans.apply(type);
            long off = Math.abs(target().of(planned) - target().most(planned));
            if (off < distance) {
                distance = off;
                nearest = type;
            }
        }
        return nearest;
    }

    static final class Size implements ITypeConverter<Long> {
        private static final Pattern SIZE = Pattern.compile("(\\d{1,15}(?:\\.\\d{1,9})?)\\s*([KMGT]?)(I?)B?");

        @Override
        public Long convert(String given) {
            Matcher matcher = SIZE.matcher(given.strip().toUpperCase(Locale.ROOT));
            if (!matcher.matches()
                    || matcher.group(2).isEmpty() && !matcher.group(3).isEmpty()) {
                throw new TypeConversionException("expected a size such as 4.2GB or 3900MiB, found '" + given + "'");
            }
            int power = "KMGT".indexOf(matcher.group(2)) + (matcher.group(2).isEmpty() ? 0 : 1);
            double bytes = Double.parseDouble(matcher.group(1))
                    * Math.pow(matcher.group(3).isEmpty() ? 1000 : 1024, power);
            if (!(bytes >= 1 && bytes < 0x1p62)) {
                throw new TypeConversionException("expected 1 byte or more, less than 2^62, found '" + given + "'");
            }
            return (long) bytes;
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
