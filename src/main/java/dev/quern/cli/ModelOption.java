package dev.quern.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The model of a command that takes exactly one. */
final class ModelOption {
    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            required = true,
            description = "A GGUF file, or a checkpoint as it is.")
    @SuppressWarnings("NullAway.Init")
    Path path;
}
