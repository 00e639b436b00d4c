package dev.quern.cli;

import dev.quern.io.RefusedException;
import dev.quern.pipeline.Adapters;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.pipeline.Split;
import dev.quern.quantization.FileType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What convert writes: of which types, planned by whose rules, into which files.
 *
 * @param asked the command with its options
 * @param opened its source
 */
record ConvertOutputs(ConvertCommand asked, Source opened) {
    /** The types that were asked for, each once; {@code auto} has become one. */
    List<FileType> types(QuantizationOptions options) {
        if (asked.target.any() && onlyAutomatic()) {
            return List.of(asked.target.nearest(type -> List.of(Quantization.plan(opened, type, options))));
        }
        List<FileType> chosen = new ArrayList<>();
        for (String text : asked.types) {
            FileType type = text.equalsIgnoreCase("auto")
                    ? automatic()
                    : TypeOptions.fileType(text)
                            .orElseThrow(() -> Quern.usage(
                                    asked.spec,
                                    "-t: expected auto or one of " + TypeOptions.names() + ", found '" + text + "'"));
            if (!chosen.contains(type)) {
                chosen.add(type);
            }
        }
        return chosen;
    }

    private boolean onlyAutomatic() {
        return asked.types.stream().allMatch("auto"::equalsIgnoreCase);
    }

    /** The peer's: BF16 stays BF16, everything else becomes F16. What is quantized stays what it is; an adapter is F32. */
    private FileType automatic() {
        if (asked.base != null) {
            return FileType.F32;
        }
        return opened.isQuantized()
                ? opened.lossless()
                : opened.lossless() == FileType.BF16 ? FileType.BF16 : FileType.F16;
    }

    /** A type's output, or the parts of it. */
    List<Conversion.Output> of(FileType type, QuantizationOptions options) {
        if (asked.split.keepSplit) {
            if (opened.general().isPresent()) {
                throw new RefusedException(
                        asked.source,
                        "is a checkpoint; --keep-split keeps the parts of a split GGUF",
                        "use --split-max-size or --split-max-tensors");
            }
            List<OutputPlan> kept = Quantization.planParts(opened, type, options);
            return Split.numberedOutputs(kept, path(type, kept.getFirst()));
        }
        OutputPlan plan = asked.vocabularyOnly ? withoutTensors(type) : plan(type, options);
        Path path = path(type, plan);
        return Split.outputs(asked.split.split().parts(plan), path);
    }

    private OutputPlan plan(FileType type, QuantizationOptions options) {
        if (asked.base != null) {
            return Adapters.plan(opened, type);
        }
        boolean plain = !asked.typeOptions.any() && !asked.target.any();
        if (opened.isQuantized() && onlyAutomatic() && plain) {
            return Quantization.copy(opened, options);
        }
        boolean checkpoint = opened.general().isPresent();
        return checkpoint && CheckpointTypes.isDirect(type) && plain
                ? CheckpointTypes.plan(opened, type, asked.dequantize)
                : Quantization.plan(opened, type, options);
    }

    private OutputPlan withoutTensors(FileType type) {
        return new OutputPlan(type.name(), CheckpointTypes.plan(opened, type).metadata(), List.of());
    }

    private Path path(FileType type, OutputPlan plan) {
        // A file of packed blocks is named for them; of several, each for what the user called it.
        String named = asked.types.size() > 1 ? type.name() : plan.type();
        String name = opened.general()
                .map(general ->
                        general.fileName(asked.vocabularyOnly ? "vocab" : asked.base == null ? named : named + "-LoRA"))
                .orElse("ggml-model-" + type.name() + ".gguf");
        Path given = asked.out;
        if (given == null) {
            Path folder = Files.isDirectory(asked.source)
                    ? asked.source
                    : asked.source.toAbsolutePath().getParent();
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
        if (asked.types.size() > 1 && filled.equals(given.toString())) {
            throw Quern.usage(
                    asked.spec, "-o " + given + ": several types need a directory that exists, or {ftype} in the name");
        }
        return Path.of(filled);
    }
}
