package dev.quern.cli;

import dev.quern.io.FileIdentity;
import dev.quern.io.OutputFile;
import dev.quern.io.RefusedException;
import dev.quern.pipeline.Adapters;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Inputs;
import dev.quern.pipeline.Modelfile;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.SourceFiles;
import dev.quern.pipeline.Split;
import dev.quern.quantization.FileType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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

    @Option(names = "--vocab-only", description = "Write metadata and vocabulary without tensors.")
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
        if (target.any() && (vocabularyOnly || base != null || types.size() > 1)) {
            throw Quern.usage(spec, "--target-size and --target-bpw: expected a whole model and one type");
        }
        if (gates.measures() && (vocabularyOnly || base != null)) {
            throw Quern.usage(spec, "--gate: only the size of what is no whole model can be judged");
        }
        try (Source opened = open()) {
            typeOptions.compensating(run).check(opened);
            List<Conversion.Output> outputs = new ArrayList<>();
            // Once for all outputs: a calibration is long.
            QuantizationOptions options = vocabularyOnly || base != null
                    ? QuantizationOptions.NONE
                    : typeOptions.options(opened, run, dryRun);
            ProvenanceOptions.Made made = made(opened, options);
            Map<String, Object> allocation = Map.of();
            for (FileType type : fileTypes(opened, options)) {
                QuantizationOptions decided = options;
                if (target.any()) {
                    TargetOptions.Decided found = target.decide(
                            opened,
                            type,
                            typeOptions,
                            options,
                            given -> provenance.into(
                                    outputs(opened, type, given), provenance.digested(made, 1, run.talk(), true)),
                            run,
                            dryRun,
                            json);
                    decided = found.options();
                    allocation = found.report();
                }
                List<Conversion.Output> parts = outputs(opened, type, decided);
                if (parts.size() == 1 && !split.split().equals(Split.NONE)) {
                    run.talk()
                            .say("note: " + parts.getFirst().target()
                                    + ": everything fits into one file; it is not split");
                }
                outputs.addAll(parts);
            }
            if (modelfile) {
                checkModelfiles(outputs);
            }
            Execution execution = new Execution(
                    opened,
                    outputs,
                    inputs(opened),
                    provenance,
                    made,
                    gates,
                    typeOptions.compensating(run),
                    run,
                    allocation);
            Execution.Done done = dryRun ? execution.plan(json) : execution.carryOut(json);
            if (modelfile) {
                done.written().forEach(this::writeModelfile);
            }
            return done.code();
        }
    }

    /** What would be in the way is found before the long work. */
    private void checkModelfiles(List<Conversion.Output> outputs) {
        if (vocabularyOnly || base != null || split.keepSplit || !split.split().equals(Split.NONE)) {
            throw Quern.usage(spec, "--modelfile: expected whole models, which Ollama can run");
        }
        for (Conversion.Output output : outputs) {
            Path path = modelfile(output.target());
            if (Files.exists(path) && !run.force) {
                throw new RefusedException(path, "exists", "--force replaces it");
            }
        }
    }

    private static Path modelfile(Path target) {
        String name = String.valueOf(target.getFileName());
        return target.resolveSibling(name.replaceFirst("(?i)\\.gguf$", "") + ".Modelfile");
    }

    private void writeModelfile(Conversion.Written output) {
        Modelfile made = Modelfile.of(
                output.plan().metadata(), String.valueOf(output.file().getFileName()));
        Path path = modelfile(output.file());
        OutputFile.write(path, made.text(), List.of(output.file()), run.force);
        run.talk().say(path + ": for ollama create");
        made.leftOut().forEach(line -> run.talk().say("note: left out: " + line));
    }

    private Source open() {
        Source.Options options =
                new Source.Options(metadata, modelName, adapters, architecture, preTokenizer, run.talk()::say);
        Path trainedOn = base;
        if (trainedOn == null) {
            return Source.open(source, options);
        }
        if (!adapters.isEmpty()) {
            throw Quern.usage(spec, "--base makes a GGUF of an adapter, --lora merges one: give one of them");
        }
        return Adapters.open(source, trainedOn, options);
    }

    private List<FileType> fileTypes(Source opened, QuantizationOptions options) {
        if (target.any() && types.stream().allMatch("auto"::equalsIgnoreCase)) {
            return List.of(target.nearest(type -> List.of(Quantization.plan(opened, type, options))));
        }
        List<FileType> chosen = new ArrayList<>();
        for (String text : types) {
            FileType type = text.equalsIgnoreCase("auto")
                    ? automatic(opened)
                    : TypeOptions.fileType(text)
                            .orElseThrow(() -> Quern.usage(
                                    spec,
                                    "-t: expected auto or one of " + TypeOptions.names() + ", found '" + text + "'"));
            if (!chosen.contains(type)) {
                chosen.add(type);
            }
        }
        return chosen;
    }

    /** The peer's: BF16 stays BF16, everything else becomes F16. What is quantized stays what it is; an adapter is F32. */
    private FileType automatic(Source opened) {
        if (base != null) {
            return FileType.F32;
        }
        return opened.isQuantized()
                ? opened.lossless()
                : opened.lossless() == FileType.BF16 ? FileType.BF16 : FileType.F16;
    }

    private List<Conversion.Output> outputs(Source opened, FileType type, QuantizationOptions options) {
        if (split.keepSplit) {
            if (opened.general().isPresent()) {
                throw new RefusedException(
                        source,
                        "is a checkpoint; --keep-split keeps the parts of a split GGUF",
                        "use --split-max-size or --split-max-tensors");
            }
            List<OutputPlan> kept = Quantization.planParts(opened, type, options);
            return Split.numberedOutputs(kept, path(opened, type, kept.getFirst()));
        }
        OutputPlan plan = vocabularyOnly ? withoutTensors(opened, type) : plan(opened, type, options);
        Path path = path(opened, type, plan);
        return Split.outputs(split.split().parts(plan), path);
    }

    private OutputPlan plan(Source opened, FileType type, QuantizationOptions options) {
        if (base != null) {
            return Adapters.plan(opened, type);
        }
        boolean plain = !typeOptions.any() && !target.any();
        if (opened.isQuantized() && types.stream().allMatch("auto"::equalsIgnoreCase) && plain) {
            return Quantization.copy(opened, options);
        }
        boolean checkpoint = opened.general().isPresent();
        return checkpoint && CheckpointTypes.isDirect(type) && plain
                ? CheckpointTypes.plan(opened, type, dequantize)
                : Quantization.plan(opened, type, options);
    }

    private static OutputPlan withoutTensors(Source opened, FileType type) {
        return new OutputPlan(type.name(), CheckpointTypes.plan(opened, type).metadata(), List.of());
    }

    private Path path(Source opened, FileType type, OutputPlan plan) {
        // A file of packed blocks is named for them; of several, each for what the user called it.
        String named = types.size() > 1 ? type.name() : plan.type();
        String name = opened.general()
                .map(general -> general.fileName(vocabularyOnly ? "vocab" : base == null ? named : named + "-LoRA"))
                .orElse("ggml-model-" + type.name() + ".gguf");
        Path given = out;
        if (given == null) {
            Path folder =
                    Files.isDirectory(source) ? source : source.toAbsolutePath().getParent();
            return (folder == null ? Path.of("") : folder).resolve(name);
        }
        if (Files.isDirectory(given)) {
            return given.resolve(name);
        }
        String lower = type.name().toLowerCase(Locale.ROOT);
        String filled = given.toString()
                .replace("{ftype}", lower)
                .replace("{outtype}", lower)
                .replace("{FTYPE}", type.name())
                .replace("{OUTTYPE}", type.name());
        if (types.size() > 1 && filled.equals(given.toString())) {
            throw Quern.usage(
                    spec, "-o " + given + ": several types need a directory that exists, or {ftype} in the name");
        }
        return Path.of(filled);
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

    private Inputs inputs(Source opened) {
        List<Path> others = new ArrayList<>(typeOptions.files());
        others.addAll(target.files());
        if (architecture != null) {
            others.add(architecture);
        }
        if (metadata != null) {
            others.add(metadata);
        }
        List<Path> beside = SourceFiles.beside(opened);
        others.addAll(beside);
        // What else decides the values, but stands in no header: scales of adapters, how packed weights are packed.
        String how = adapters + "\n"
                + String.join(
                        "\n",
                        beside.stream()
                                .map(FileIdentity::of)
                                .map(FileIdentity::lasting)
                                .toList());
        return Inputs.of(opened.model(), others, how);
    }

    private ProvenanceOptions.Made made(Source opened, QuantizationOptions options) {
        SequencedMap<String, String> recorded = typeOptions.recorded(options);
        target.record(recorded);
        if (modelName != null) {
            recorded.put("model_name", modelName);
        }
        if (!adapters.isEmpty()) {
            recorded.put(
                    "lora",
                    adapters.stream()
                            .map(adapter -> adapter.directory()
                                            .toAbsolutePath()
                                            .normalize()
                                            .getFileName()
                                    + ":" + adapter.factor())
                            .collect(Collectors.joining(" ")));
        }
        Map<String, Boolean> switches = new LinkedHashMap<>();
        switches.put("dequantize", dequantize);
        switches.put("vocab_only", vocabularyOnly);
        switches.put("allow_non_finite", run.allowNonFinite);
        switches.put("keep_split", split.keepSplit);
        switches.put("no_tensor_first_split", split.metadataFirst);
        switches.forEach((name, on) -> {
            if (on) {
                recorded.put(name, "true");
            }
        });
        if (split.maxSize > 0) {
            recorded.put("split_max_size", "" + split.maxSize);
        }
        if (split.maxTensors > 0) {
            recorded.put("split_max_tensors", "" + split.maxTensors);
        }
        List<Path> sources = new ArrayList<>(SourceFiles.of(opened));
        sources.addAll(typeOptions.parameterFiles());
        sources.addAll(target.files());
        Stream.of(Optional.ofNullable(metadata), Optional.ofNullable(base).map(folder -> folder.resolve("config.json")))
                .flatMap(Optional::stream)
                .filter(Files::isRegularFile)
                .forEach(sources::add);
        return new ProvenanceOptions.Made(
                "convert", sources, recorded, typeOptions.importance.given(), typeOptions.importance.calibrationText());
    }
}
