package dev.quern.cli;

import dev.quern.architecture.Model;
import dev.quern.io.MappedFile;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

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
            "  quern convert llama-7b/ -t Q4_K_M,Q8_0 -o out/"
        })
final class ConvertCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(
            paramLabel = "SOURCE",
            description = "A Hugging Face directory, a directory with Meta's consolidated.NN.pth, or a GGUF file.")
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
                    + "F16 or BF16, as the checkpoint has it).")
    List<String> types = List.of("auto");

    @Option(names = "--model-name", paramLabel = "NAME", description = "The model's name (general.name).")
    @Nullable
    String modelName;

    @Option(
            names = "--metadata",
            paramLabel = "FILE",
            description = "A JSON object of general.* keys that go before what the model card says.")
    @Nullable
    Path metadata;

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
    RunOptions run;

    @Override
    public Integer call() {
        try (Source opened = Source.open(source, new Source.Options(metadata, modelName, run.talk()::say))) {
            List<Conversion.Output> outputs = new ArrayList<>();
            // Once for all outputs: a calibration is long.
            QuantizationOptions options =
                    vocabularyOnly ? QuantizationOptions.NONE : typeOptions.options(opened, run);
            for (FileType type : fileTypes(opened)) {
                OutputPlan plan = vocabularyOnly ? withoutTensors(opened, type) : plan(opened, type, options);
                outputs.add(new Conversion.Output(plan, target(opened, type)));
            }
            return Execution.run(opened, outputs, inputs(opened.model()), run, dryRun, json);
        }
    }

    private List<FileType> fileTypes(Source opened) {
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

    /** The peer's: BF16 stays BF16, everything else becomes F16. */
    private static FileType automatic(Source opened) {
        return opened.lossless() == FileType.BF16 ? FileType.BF16 : FileType.F16;
    }

    private OutputPlan plan(Source opened, FileType type, QuantizationOptions options) {
        boolean checkpoint = opened.general().isPresent();
        return checkpoint && CheckpointTypes.isDirect(type) && !typeOptions.any()
                ? CheckpointTypes.plan(opened, type)
                : Quantization.plan(opened, type, options);
    }

    private static OutputPlan withoutTensors(Source opened, FileType type) {
        return new OutputPlan(type.name(), CheckpointTypes.plan(opened, type).metadata(), List.of());
    }

    private Path target(Source opened, FileType type) {
        String name = opened.general()
                .map(general -> general.fileName(vocabularyOnly ? "vocab" : type.name()))
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

    static List<Path> inputs(Model model) {
        return model.files().stream().map(MappedFile::path).toList();
    }
}
