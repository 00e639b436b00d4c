package dev.quern.cli;

import dev.quern.io.OutputFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "man",
        description = "Prints a manual page, or writes the pages of all commands.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {"", "Examples:", "  quern man convert | man -l -", "  quern man --all -o ~/.local/share/man/man1"})
final class ManCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(paramLabel = "COMMAND", arity = "0..1", description = "A command (default: quern itself).")
    @Nullable
    String command;

    @Option(names = "--all", description = "Write the pages of all commands to the directory of -o.")
    boolean all;

    @Option(
            names = {"-o", "--outdir"},
            paramLabel = "DIR",
            description = "Where the pages of --all go (default: the current directory).")
    Path directory = Path.of("");

    @Override
    public Integer call() {
        CommandLine root = spec.root().commandLine();
        if (all) {
            write(root);
            root.getSubcommands().values().stream().distinct().forEach(this::write);
            return 0;
        }
        Map<String, CommandLine> commands = root.getSubcommands();
        CommandLine wanted = command == null ? root : commands.get(command);
        if (wanted == null) {
            throw Quern.usage(
                    spec, "expected one of " + String.join(", ", commands.keySet()) + ", found '" + command + "'");
        }
        System.out.print(ManualPage.of(wanted.getCommandSpec(), Version.text()));
        return 0;
    }

    private void write(CommandLine line) {
        CommandSpec one = line.getCommandSpec();
        // The pages are made of the program alone: one that is there is an older one.
        OutputFile.write(
                directory.resolve(ManualPage.name(one) + ".1"), ManualPage.of(one, Version.text()), List.of(), true);
    }
}
