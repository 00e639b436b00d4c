package dev.quern.cli;

import dev.quern.pipeline.Conversion;
import dev.quern.pipeline.Quantization;
import dev.quern.pipeline.Source;
import dev.quern.quantization.FileType;
import java.nio.file.Path;
import java.util.List;
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
        sortOptions = false)
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

    @Option(names = "--dry-run", description = "Print each tensor's type and why, and the size. Write nothing.")
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
        Path in = Path.of(arguments.getFirst());
        // The second argument is the type when it reads as one; then there is no output name.
        boolean named = TypeOptions.fileType(arguments.get(1)).isEmpty();
        if (named && arguments.size() < 3) {
            throw Quern.usage(spec, "expected a type, one of " + TypeOptions.names() + ", found '" + arguments.get(1) + "'");
        }
        List<String> rest = arguments.subList(named ? 2 : 1, arguments.size());
        FileType type = TypeOptions.fileType(rest.getFirst())
                .orElseThrow(() -> Quern.usage(
                        spec, "expected a type, one of " + TypeOptions.names() + ", found '" + rest.getFirst() + "'"));
        if (rest.size() > 2) {
            throw Quern.usage(spec, "unexpected argument '" + rest.get(2) + "'");
        }
        if (rest.size() == 2) {
            run.threads = threads(rest.get(1));
        }
        Path beside = in.resolveSibling("ggml-model-" + type.name() + ".gguf");
        Path out = named ? Path.of(arguments.get(1)) : beside;
        try (Source source = Source.open(in)) {
            Conversion.Output output =
                    new Conversion.Output(Quantization.plan(source, type, typeOptions.options()), out);
            return Execution.run(
                    source, List.of(output), ConvertCommand.inputs(source.model()), run, dryRun, json);
        }
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
