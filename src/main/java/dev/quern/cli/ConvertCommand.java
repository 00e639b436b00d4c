package dev.quern.cli;

import dev.quern.pipeline.Adapters;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.Split;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

@Command(
        name = "convert",
        description = "Converts a checkpoint (or a GGUF file) to GGUF, to one type or several in one pass.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  quern convert llama-7b/                     to the checkpoint's own precision",
            "  quern convert llama-7b/ -t Q4_0             to 4 bits, one pass",
            "  quern convert llama-7b/ -t Q4_K_M,Q8_0 -o out/",
            "  quern convert llama-7b/ -t Q4_K_M --method compensated --calibrate text.txt",
            "  quern convert llama-7b/ --lora style/:0.8   with an adapter merged into it",
            "  quern convert style/ --base llama-7b/       the adapter alone",
            "  quern convert llama-7b/ -t Q4_K_M --gate 'ppl_increase<=2%%' --gate 'size<=4.5GB' --gate-text"
                    + " heldout.txt"
        })
final class ConvertCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(
            paramLabel = "SOURCE",
            description =
                    "A Hugging Face directory, a directory with Meta's consolidated.NN.pth, a GGUF file, or a file "
                            + "of llama.cpp before GGUF.")
    @SuppressWarnings("NullAway.Init")
    Path source;

    @Option(
            names = {"-o", "--outfile"},
            paramLabel = "OUT",
            description = "A file, a directory, or a name with {ftype} in it (default: the source's directory, "
                    + "under GGUF's naming convention).")
    @Nullable
    Path out;

    @Option(
            names = {"-t", "--outtype"},
            paramLabel = "TYPE",
            split = ",",
            description = "F32, F16, BF16, Q8_0, Q4_0, Q4_K_M … or auto, several with commas (default: auto: "
                    + "F16 or BF16, as the checkpoint has it; what is quantized stays as it is).")
    List<String> types = List.of("auto");

    @Option(
            names = "--lora",
            paramLabel = "DIR[:SCALE]",
            converter = Loras.class,
            description = "Merge this LoRA adapter (PEFT's folder), or so much of it; repeatable.")
    List<Source.Lora> adapters = new ArrayList<>();

    @Option(
            names = "--base",
            paramLabel = "DIR",
            description =
                    "For a SOURCE that is a LoRA adapter: the model it was trained on (its config.json is enough);"
                            + " makes a GGUF of the adapter alone.")
    @Nullable
    Path base;

    @Option(
            names = "--architecture",
            paramLabel = "PAGE.json",
            description = "A page of your own that says what the checkpoint's tensors and fields are"
                    + " (formats/architectures/README.md).")
    @Nullable
    Path architecture;

    @Option(names = "--model-name", paramLabel = "NAME", description = "The model's name (general.name).")
    @Nullable
    String modelName;

    @Option(
            names = "--metadata",
            paramLabel = "FILE",
            description = "A JSON object of general.* keys that go before what the model card says.")
    @Nullable
    Path metadata;

    @Option(
            names = "--pre-tokenizer",
            paramLabel = "NAME",
            description = "How a byte-level vocabulary cuts text into words (tokenizer.ggml.pre), for a tokenizer that"
                    + " is not recognised: gpt-2, llama-bpe, qwen2, tekken …")
    @Nullable
    String preTokenizer;

    @Option(
            names = "--dequantize",
            description = "Unpack MXFP4 and NVFP4 weights to the output type too. Without it they keep their blocks in"
                    + " F32, F16, BF16 and Q8_0 files; all other packed weights are always unpacked.")
    boolean dequantize;

    @Option(
            names = "--modelfile",
            description = "Write an Ollama Modelfile beside each output, with the same name and .Modelfile at its end.")
    boolean modelfile;

    @Option(names = "--vocab-only", description = "Write metadata and vocabulary without tensors. Needs no weights.")
    boolean vocabularyOnly;

    @Option(
            names = "--dry-run",
            description = "Print the plan: each tensor's type and why, sizes, memory. Write nothing.")
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
    SplitOptions split;

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
        split.check(spec, vocabularyOnly);
        gates.check(spec);
        target.check(spec, typeOptions);
        typeOptions.importance.check(spec, !target.files().isEmpty());
        if (target.any() && (vocabularyOnly || base != null || types.size() > 1)) {
            throw Quern.usage(spec, "--target-size and --target-bpw: expected a whole model and one type");
        }
        if (gates.measures() && (vocabularyOnly || base != null)) {
            throw Quern.usage(spec, "--gate: only the size of what is no whole model can be judged");
        }
        try (Source opened = open()) {
            typeOptions.compensating(run).check(opened);
            List<Conversion.Output> outputs = new ArrayList<>();
            ConvertOutputs planned = new ConvertOutputs(this, opened);
            ConvertRecord recorded = new ConvertRecord(this, opened);
            boolean quantizes = !vocabularyOnly && base == null;
            if (quantizes && !dryRun && typeOptions.importance.calibrates()) {
                Optional<Execution.Done> end = beforehand(opened, planned, recorded);
                if (end.isPresent()) {
                    return end.get().code();
                }
            }
            // Once for all outputs: a calibration is long.
            QuantizationOptions options =
                    quantizes ? typeOptions.options(opened, run, dryRun) : QuantizationOptions.NONE;
            ProvenanceOptions.Made made = recorded.made(options);
            Map<String, Object> allocation = Map.of();
            for (FileType type : planned.types(options)) {
                QuantizationOptions decided = options;
                if (target.any()) {
                    TargetOptions.Decided found = target.decide(
                            opened,
                            type,
                            typeOptions,
                            options,
                            given -> provenance.into(
                                    planned.of(type, given), provenance.digested(made, 1, run.talk(), true)),
                            run,
                            dryRun,
                            json);
                    decided = found.options();
                    allocation = found.report();
                }
                List<Conversion.Output> parts = planned.of(type, decided);
                if (parts.size() == 1 && !split.split().equals(Split.NONE)) {
                    run.talk()
                            .say("note: " + parts.getFirst().target()
                                    + ": everything fits into one file; it is not split");
                }
                outputs.addAll(parts);
            }
            Modelfiles modelfiles = new Modelfiles(run);
            if (modelfile) {
                if (vocabularyOnly
                        || base != null
                        || split.keepSplit
                        || !split.split().equals(Split.NONE)) {
                    throw Quern.usage(spec, "--modelfile: expected whole models, which Ollama can run");
                }
                modelfiles.check(outputs);
            }
            Execution execution = execution(opened, outputs, recorded, made, allocation);
            Execution.Done done = dryRun ? execution.plan(json) : execution.carryOut(json);
            if (modelfile) {
                modelfiles.write(done.written());
            }
            return done.code();
        }
    }

    /** What is refused before a calibration, and what then is all there is to do. */
    private Optional<Execution.Done> beforehand(Source opened, ConvertOutputs planned, ConvertRecord recorded) {
        QuantizationOptions before = typeOptions.uncalibrated(opened);
        List<Conversion.Output> outputs = new ArrayList<>();
        for (FileType type : planned.types(before)) {
            if (target.any()) {
                target.check(opened, type, before, given -> planned.of(type, given), run);
            }
            outputs.addAll(planned.of(type, before));
        }
        return execution(opened, outputs, recorded, recorded.made(before), Map.of())
                .beforehand(!target.any(), json);
    }

    private Execution execution(
            Source opened,
            List<Conversion.Output> outputs,
            ConvertRecord recorded,
            ProvenanceOptions.Made made,
            Map<String, Object> allocation) {
        return new Execution(
                opened,
                outputs,
                recorded.inputs(),
                provenance,
                made,
                gates,
                typeOptions.compensating(run),
                run,
                allocation);
    }

    private Source open() {
        Source.Options options =
                new Source.Options(metadata, modelName, adapters, architecture, preTokenizer, run.talk()::say);
        Path trainedOn = base;
        if (trainedOn == null) {
            return vocabularyOnly ? Source.openForVocabulary(source, options) : Source.open(source, options);
        }
        if (!adapters.isEmpty()) {
            throw Quern.usage(spec, "--base makes a GGUF of an adapter, --lora merges one: give one of them");
        }
        return Adapters.open(source, trainedOn, options);
    }

    /** A folder, and behind its last colon a number. */
    static final class Loras implements ITypeConverter<Source.Lora> {
        @Override
        public Source.Lora convert(String text) {
            int colon = text.lastIndexOf(':');
            if (colon > 0) {
                try {
                    float factor = Float.parseFloat(text.substring(colon + 1));
                    if (!Float.isFinite(factor)) {
                        throw new TypeConversionException("expected a finite scale, found '" + text + "'");
                    }
                    return new Source.Lora(Path.of(text.substring(0, colon)), factor);
                } catch (NumberFormatException e) {
                    return new Source.Lora(Path.of(text), 1); // A colon of the path's own.
                }
            }
            return new Source.Lora(Path.of(text), 1);
        }
    }
}
