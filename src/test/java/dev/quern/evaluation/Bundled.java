package dev.quern.evaluation;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.io.MappedFile;
import dev.quern.pipeline.CheckpointTypes;
import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.OutputPlan;
import dev.quern.pipeline.Progress;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.QuantizationOptions;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import dev.quern.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/** The bundled model, the text it has not seen, and files made of it. */
final class Bundled {
    static final Path CHECKPOINT = Path.of("test-data/models/tolstoy-4m");
    static final Text HELD_OUT = Text.read(Path.of("test-data/text/heldout.txt"));

    private Bundled() {}

    static ForwardPass pass(Model model) {
        return Objects.requireNonNull(
                Architecture.of(model.metadata()).orElseThrow().forward());
    }

    static int[] tokens(Model model) {
        return Tokenizer.of(model.metadata()).encode(HELD_OUT.bytes(), true);
    }

    /** The first window as the perplexity tool sees it. */
    static int[] window(Model model, int length) {
        return java.util.Arrays.copyOf(tokens(model), length);
    }

    static Path convert(FileType type, Path folder) {
        Path file = folder.resolve(type + ".gguf");
        try (Source source = Source.open(CHECKPOINT)) {
            OutputPlan plan = CheckpointTypes.isDirect(type)
                    ? CheckpointTypes.plan(source, type)
                    : Quantization.plan(source, type, QuantizationOptions.NONE);
            List<Path> inputs =
                    source.model().files().stream().map(MappedFile::path).toList();
            Conversion.run(
                    List.of(new Conversion.Output(plan, file)),
                    inputs,
                    new Conversion.Options(2, Kernel.SIMD, false, false, Progress.SILENT));
        }
        return file;
    }
}
