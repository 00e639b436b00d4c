package dev.quern.cli;

import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.pipeline.Split;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "quantize",
        description = "Quantizes a GGUF file: llama-quantize's arguments, and byte for byte its files.",
        customSynopsis = "quern quantize [OPTIONS] IN.gguf [OUT.gguf] TYPE [THREADS]",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern quantize f16.gguf q4.gguf Q4_K_M",
            "  quern quantize f16.gguf q4.gguf Q4_K_M --method compensated --calibrate text.txt",
            "  quern quantize f16.gguf q4.gguf Q4_K_M --gate 'ppl_increase<=2%%' --gate-text heldout.txt",
            "  quern quantize f16.gguf q4.gguf Q4_K_M --provenance --attestation q4.intoto.json --bom q4.cdx.json"
        })
final class QuantizeCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(
            arity = "2..4",
            paramLabel = "IN.gguf [OUT.gguf] TYPE [THREADS]",
            description = "The input; the output (default: ggml-model-TYPE.gguf beside the input); a type by name or "
                    + "number; worker threads.")
    @SuppressWarnings("NullAway.Init")
    List<String> arguments;

    @Option(
            names = "--keep-split",
            description = "Write as many files as the input has, OUT-00001-of-0000N.gguf and so on.")
    boolean keepSplit;

    @Option(names = "--dry-run", description = "Print each tensor's type and why, and the size. Write nothing.")
    boolean dryRun;

    @Option(names = "--json", description = "Print the plan or the result as JSON on stdout.")
    boolean json;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    TypeOptions typeOptions;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    TargetOptions target;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    RunOptions run;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    ProvenanceOptions provenance;

    @Mixin
    @SuppressWarnings("NullAway.Init")
    GateOptions gates;

    @Override
    public Integer call() {
        gates.check(spec);
        target.check(spec, typeOptions);
        typeOptions.importance.check(spec, !target.files().isEmpty());
        Path in = Path.of(arguments.getFirst());
        // The second argument is the type when it reads as one; then there is no output name.
        boolean named = !isType(arguments.get(1));
        List<String> rest = arguments.subList(named ? 2 : 1, arguments.size());
        if (rest.isEmpty() || !isType(rest.getFirst())) {
            throw Quern.usage(
                    spec,
                    "expected COPY or one of " + TypeOptions.names() + ", found '"
                            + (rest.isEmpty() ? arguments.get(1) : rest.getFirst()) + "'");
        }
        if (rest.size() > 2) {
            throw Quern.usage(spec, "unexpected argument '" + rest.get(2) + "'");
        }
        if (rest.size() == 2) {
            run.threads = threads(rest.get(1));
        }
        try (Source source = Source.open(in)) {
            typeOptions.compensating(run).check(source);
            String type = rest.getFirst();
            String label = TypeOptions.fileType(type).map(FileType::name).orElse("COPY");
            Path path = named ? Path.of(arguments.get(1)) : in.resolveSibling("ggml-model-" + label + ".gguf");
            if (!dryRun && typeOptions.importance.calibrates()) {
                QuantizationOptions before = typeOptions.uncalibrated(source);
                if (target.any()) {
                    target.check(source, fileType(type), before, given -> outputs(source, type, given, path), run);
                }
                Optional<Execution.Done> end = execution(
                                source, outputs(source, type, before, path), made(source, before), Map.of())
                        .beforehand(!target.any(), json);
                if (end.isPresent()) {
                    return end.get().code();
                }
            }
            QuantizationOptions options = typeOptions.options(source, run, dryRun);
            ProvenanceOptions.Made made = made(source, options);
            Map<String, Object> allocation = Map.of();
            if (target.any()) {
                TargetOptions.Decided decided = target.decide(
                        source,
                        fileType(type),
                        typeOptions,
                        options,
                        given -> provenance.into(
                                outputs(source, type, given, path), provenance.digested(made, 1, run.talk(), true)),
                        run,
                        dryRun,
                        json);
                options = decided.options();
                allocation = decided.report();
            }
            Execution execution = execution(source, outputs(source, type, options, path), made, allocation);
            return (dryRun ? execution.plan(json) : execution.carryOut(json)).code();
        }
    }

    private FileType fileType(String type) {
        return TypeOptions.fileType(type)
                .orElseThrow(() -> Quern.usage(spec, "COPY quantizes nothing; a target needs a type"));
    }

    private Execution execution(
            Source source,
            List<Conversion.Output> outputs,
            ProvenanceOptions.Made made,
            Map<String, Object> allocation) {
        List<Path> others = new ArrayList<>(typeOptions.files());
        others.addAll(target.files());
        others.addAll(gates.files());
        Inputs inputs = Inputs.of(source.model(), others, "");
        return new Execution(
                source, outputs, inputs, provenance, made, gates, typeOptions.compensating(run), run, allocation);
    }

    private List<Conversion.Output> outputs(Source source, String type, QuantizationOptions options, Path path) {
        return keepSplit
                ? Split.numberedOutputs(parts(source, type, options), path)
                : List.of(new Conversion.Output(whole(source, type, options), path));
    }

    private ProvenanceOptions.Made made(Source source, QuantizationOptions options) {
        SequencedMap<String, String> recorded = typeOptions.recorded(options);
        target.record(recorded);
        if (keepSplit) {
            recorded.put("keep_split", "true");
        }
        if (run.allowNonFinite) {
            recorded.put("allow_non_finite", "true");
        }
        List<Path> sources = new ArrayList<>(SourceFiles.of(source));
        sources.addAll(typeOptions.parameterFiles());
        sources.addAll(target.files());
        return new ProvenanceOptions.Made(
                "quantize",
                sources,
                recorded,
                typeOptions.importance.given(),
                typeOptions.importance.calibrationText());
    }

    private static boolean isType(String text) {
        return text.equalsIgnoreCase("COPY") || TypeOptions.fileType(text).isPresent();
    }

    private static OutputPlan whole(Source source, String type, QuantizationOptions options) {
        return TypeOptions.fileType(type)
                .map(fileType -> Quantization.plan(source, fileType, options))
                .orElseGet(() -> Quantization.copy(source, options));
    }

    private static List<OutputPlan> parts(Source source, String type, QuantizationOptions options) {
        return TypeOptions.fileType(type)
                .map(fileType -> Quantization.planParts(source, fileType, options))
                .orElseGet(() -> Quantization.copyParts(source, options));
    }

    private int threads(String text) {
        try {
            int threads = Integer.parseInt(text);
            if (threads > 0) {
                return threads;
            }
        } catch (NumberFormatException e) {
            // Told below, as for a number that is too small.
        }
        throw Quern.usage(spec, "expected a number of threads, found '" + text + "'");
    }
}
