package dev.quern.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a run did and found: {@code formats/report.schema.json} is its form on disk, and every other form is made of it.
 *
 * @param format {@link #FORMAT}
 * @param version of the form, {@link #VERSION}
 * @param started in UTC, ISO 8601
 * @param exitCode the command's
 * @param texts that models were calibrated and compared on
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record RunReport(
        String format,
        int version,
        String name,
        Tool tool,
        String started,
        double seconds,
        int exitCode,
        @Nullable FileIdentity recipe,
        List<TextFile> texts,
        List<SourceResult> sources) {
    public static final String FORMAT = "quern-report";
    public static final int VERSION = 1;

    /** How a source or one of its steps ended. */
    public enum Status {
        /** Worked on in this run. */
        @JsonProperty("done")
        DONE("done"),
        /** Nothing had changed since an earlier run. */
        @JsonProperty("up_to_date")
        UP_TO_DATE("up to date"),
        /** An input was refused. */
        @JsonProperty("refused")
        REFUSED("refused"),
        @JsonProperty("failed")
        FAILED("failed"),
        /** Not reached: an earlier step or source ended the run. */
        @JsonProperty("not_run")
        NOT_RUN("not run");

        private final String text;

        Status(String text) {
            this.text = text;
        }

        public String text() {
            return text;
        }
    }

    public enum Verdict {
        @JsonProperty("passed")
        PASSED("passed"),
        @JsonProperty("failed")
        FAILED("failed"),
        /** What it asks about was never measured, because the source or a step failed. */
        @JsonProperty("not_judged")
        NOT_JUDGED("not judged");

        private final String text;

        Verdict(String text) {
            this.text = text;
        }

        public String text() {
            return text;
        }
    }

    /**
     * @param version Quern's, with its commit
     * @param system name and architecture
     * @param kernel that quantized
     */
    public record Tool(String version, String java, String system, String kernel, int threads, List<String> command) {}

    /** A file's name without its directory, its size and contents. */
    public record FileIdentity(String name, long bytes, String sha256) {}

    /** @param role calibration, evaluation, or influence: a text on which types were tried */
    public record TextFile(String name, String role, long bytes, String sha256) {}

    /**
     * @param kind e.g. "GGUF v3"; absent where it could not be opened
     * @param message what went wrong, if something did; the first of several
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record SourceResult(
            String name,
            String path,
            Status status,
            @Nullable String message,
            @Nullable String hint,
            @Nullable String kind,
            @Nullable String architecture,
            long parameters,
            List<FileIdentity> files,
            List<Step> steps,
            List<OutputResult> outputs) {}

    /** @param seconds that it took, in this run or the earlier one that did it */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Step(
            String name,
            Status status,
            double seconds,
            @Nullable String message) {}

    /**
     * @param name unlike its neighbours'; usually the type
     * @param status of the file; its measurements are among the source's steps
     * @param file absent where it could not be made
     * @param seconds that the conversion took, all types of the source together
     * @param allocation how its types were chosen for a size; absent where they were not
     * @param codesChosenTogether what that has gained, tensor by tensor; absent in JSON where no codes were
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record OutputResult(
            String name,
            String type,
            Status status,
            Map<String, String> options,
            @Nullable FileIdentity file,
            @Nullable String importance,
            double bitsPerWeight,
            double seconds,
            List<TypeShare> mix,
            @Nullable Allocation allocation,
            @JsonInclude(JsonInclude.Include.NON_EMPTY) List<Gain> codesChosenTogether,
            List<TensorError> tensorErrors,
            List<Measurement> measurements,
            List<GateResult> gates) {
        public OutputResult {
            // Reports of earlier versions say nothing of it.
            codesChosenTogether = Objects.requireNonNullElse(codesChosenTogether, List.of());
        }

        public OutputResult with(Status newStatus) {
            return new OutputResult(
                    name,
                    type,
                    newStatus,
                    options,
                    file,
                    importance,
                    bitsPerWeight,
                    seconds,
                    mix,
                    allocation,
                    codesChosenTogether,
                    tensorErrors,
                    measurements,
                    gates);
        }

        public OutputResult withErrors(List<TensorError> newErrors) {
            return new OutputResult(
                    name,
                    type,
                    status,
                    options,
                    file,
                    importance,
                    bitsPerWeight,
                    seconds,
                    mix,
                    allocation,
                    codesChosenTogether,
                    newErrors,
                    measurements,
                    gates);
        }

        public OutputResult with(List<Measurement> measured, List<GateResult> judged) {
            return new OutputResult(
                    name,
                    type,
                    status,
                    options,
                    file,
                    importance,
                    bitsPerWeight,
                    seconds,
                    mix,
                    allocation,
                    codesChosenTogether,
                    tensorErrors,
                    measured,
                    judged);
        }

        /** Whether no gate speaks against it. */
        public boolean passed() {
            return gates.stream().allMatch(gate -> gate.verdict() == Verdict.PASSED);
        }

        public long bytes() {
            return file == null ? 0 : file.bytes();
        }
    }

    /** The tensors of an output that have one type. */
    public record TypeShare(String type, int tensors, long parameters, long bytes) {}

    /**
     * Types that were chosen for a size. Divergences are predicted: nats, the sum of those of the model in which one
     * tensor alone has its type.
     *
     * @param target what was asked for
     * @param bytes of the file
     * @param gap by how much at most there could be a better choice, as a share; proven
     * @param frontier sizes around it, and what they would cost, by size
     */
    public record Allocation(
            String target,
            long bytes,
            double bitsPerWeight,
            double kld,
            double gap,
            List<SizePoint> frontier,
            List<ChosenType> tensors) {}

    /** A size, and the least predicted divergence of that size. */
    public record SizePoint(long bytes, double bitsPerWeight, double kld, double gap) {}

    /**
     * @param bytes of its data
     * @param kld predicted, nats
     * @param because what the type costs, and what the next larger one would spare
     */
    public record ChosenType(String name, String type, long bytes, double kld, String because) {}

    /**
     * A tensor whose codes were chosen together, judged on text that nothing was fitted to: squared errors of its layer's
     * outputs, as parts of what they should be.
     *
     * @param layerErrorReference with the codes of the reference method
     * @param layerErrorCompensated with those that were chosen together
     * @param kept what part of the tensor has the latter: 1 or 0, and of experts something between
     * @param damping the part of the mean moment that was added to the moments' diagonal
     */
    public record Gain(
            String tensor,
            String type,
            double layerErrorReference,
            double layerErrorCompensated,
            double kept,
            double damping) {
        /** The layer's error over that with the reference's codes; 1 where these stayed. */
        public double ratio() {
            return kept > 0 && layerErrorCompensated < layerErrorReference
                    ? layerErrorCompensated / layerErrorReference
                    : 1;
        }
    }

    /**
     * A tensor of an output beside the source's.
     *
     * @param rmse root mean square of the differences
     * @param relative that over the root mean square of the source's values
     * @param max largest difference
     * @param cosine of the angle between both, as vectors
     */
    public record TensorError(
            String tensor, String type, long values, double rmse, double relative, double max, double cosine) {}

    /** A value and one standard error. */
    public record Figure(double value, double error) {}

    /** A share of positions, from 0 to 1, and the divergence that so many do not exceed. */
    public record Percentile(double share, double value) {}

    /**
     * An output beside its base on a text.
     *
     * @param base what it was compared with
     * @param quantities everything that a gate can ask about, under the names that gates use
     * @param kldInterval 95 %, two numbers; absent where there are too few windows
     * @param runningPpl perplexity up to and with each window
     * @param runningKld mean divergence up to and with each window
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Measurement(
            String text,
            String base,
            int context,
            int windows,
            long tokensScored,
            Figure ppl,
            Figure pplBase,
            Figure pplRatio,
            Figure kld,
            @Nullable List<Double> kldInterval,
            Figure sameTop,
            Figure rmsDp,
            Map<String, Double> quantities,
            List<Percentile> kldPercentiles,
            List<Double> runningPpl,
            List<Double> runningPplBase,
            List<Double> runningKld,
            double seconds) {}

    /**
     * @param text the evaluation text it was judged on; absent for what needs none, such as size
     * @param limit in the quantity's own measure: a share as a fraction, a size in bytes
     * @param found in the same measure; for drift how much worse than the baseline
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record GateResult(
            String gate,
            String quantity,
            @Nullable String text,
            double limit,
            @Nullable Double found,
            Verdict verdict,
            String message) {}

    /** Outputs of all sources. */
    public List<OutputResult> outputs() {
        return sources.stream().flatMap(source -> source.outputs().stream()).toList();
    }

    public long gates(Verdict verdict) {
        return outputs().stream()
                .flatMap(output -> output.gates().stream())
                .filter(gate -> gate.verdict() == verdict)
                .count();
    }

    /** The names of texts that something was measured on, in order. */
    public List<String> measuredTexts() {
        List<String> names = new ArrayList<>();
        for (OutputResult output : outputs()) {
            for (Measurement measurement : output.measurements()) {
                if (!names.contains(measurement.text())) {
                    names.add(measurement.text());
                }
            }
        }
        return names;
    }

    /** An output of a source by their names, or null. */
    public @Nullable OutputResult output(String source, String output) {
        for (SourceResult candidate : sources) {
            if (candidate.name().equals(source)) {
                for (OutputResult found : candidate.outputs()) {
                    if (found.name().equals(output)) {
                        return found;
                    }
                }
            }
        }
        return null;
    }

    /** The measurement on a text, or null. */
    public static @Nullable Measurement on(OutputResult output, String text) {
        return output.measurements().stream()
                .filter(measurement -> Objects.equals(measurement.text(), text))
                .findFirst()
                .orElse(null);
    }
}
