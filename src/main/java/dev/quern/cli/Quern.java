package dev.quern.cli;

import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.RefusedException;
import dev.quern.io.Shutdown;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.UnmatchedArgumentException;

/** The program: {@code quern COMMAND …}. */
@Command(
        name = "quern",
        description = "Turns trained checkpoints into GGUF files that run on anybody's machine, and checks the result.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        synopsisSubcommandLabel = "COMMAND",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed: a disk that is full, ended by a signal, an error in Quern",
            "2:usage: the command as given cannot be carried out",
            "3:input refused: a file that is damaged, hostile or of an unknown kind",
            "4:verification found a difference, or a gate was not passed"
        })
public final class Quern {
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int REFUSED = 3;
    static final int DIFFERENCE = 4;

    /** In the order of the help. A class is called as its command is, with Command behind. */
    private static final List<Class<?>> COMMANDS = List.of(
            ConvertCommand.class,
            QuantizeCommand.class,
            ImatrixCommand.class,
            PerplexityCommand.class,
            VerifyCommand.class,
            HashCommand.class,
            CompareCommand.class,
            GenerateCommand.class,
            ScoreCommand.class,
            EmbedCommand.class,
            InspectCommand.class,
            RunCommand.class,
            ReportCommand.class,
            DemoCommand.class,
            CompletionCommand.class,
            ManCommand.class,
            CommandLine.HelpCommand.class);

    /** Those that speak of all the others. */
    private static final Set<Class<?>> OF_ALL =
            Set.of(CompletionCommand.class, ManCommand.class, CommandLine.HelpCommand.class);

    private static final Set<String> VERSION = Set.of("--version", "-V");

    /** No option is a date or a connection to a database; picocli would load the classes of all of them. */
    private static final String NO_CONVERTERS = "java\\.(time|sql)\\..*";

    @Option(
            names = "--verbose",
            scope = ScopeType.INHERIT,
            description = "Say too what runs where, how long it took, and where in the program an error arose.")
    boolean verbose;

    /** @param args the command line */
    public static void main(String[] args) {
        Shutdown.exitWhenInterrupted(FAILED);
        Shutdown.exit(run(args));
    }

    static int run(String... args) {
        CommandLine line = commandLine(args);
        if (args.length == 0) {
            line.usage(line.getErr());
            return USAGE;
        }
        return line.execute(args);
    }

    /** The program with the commands that a command line needs: all of them when it is empty. */
    static CommandLine commandLine(String... args) {
        System.setProperty("picocli.converters.excludes", NO_CONVERTERS);
        CommandLine line = new CommandLine(new Quern());
        // Reading all commands' annotations takes a tenth of a second, half as long as everything else a short one
        // does.
        if (Arrays.equals(args, new String[] {"--help"}) || Arrays.equals(args, new String[] {"-h"})) {
            COMMANDS.forEach(command -> line.addSubcommand(nameOf(command), outline(command)));
        } else {
            wanted(args).forEach(command -> line.addSubcommand(nameOf(command), command));
        }
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setAbbreviatedOptionsAllowed(false);
        line.setExecutionExceptionHandler(EXECUTION);
        line.setParameterExceptionHandler(PARAMETERS);
        line.setExecutionStrategy(Quern::execute);
        return line;
    }

    /** The command that is called, or all of them when that is not clear from the first argument. */
    private static List<Class<?>> wanted(String... args) {
        if (args.length == 1 && VERSION.contains(args[0])) {
            return List.of();
        }
        return COMMANDS.stream()
                .filter(command -> args.length > 0 && nameOf(command).equals(args[0]) && !OF_ALL.contains(command))
                .findFirst()
                .<List<Class<?>>>map(List::of)
                .orElse(COMMANDS);
    }

    /** What the list of commands says of one. */
    private static CommandSpec outline(Class<?> command) {
        CommandSpec outline = CommandSpec.create();
        Command annotation = command.getAnnotation(Command.class);
        outline.usageMessage().description(annotation.description()).header(annotation.header());
        return outline;
    }

    private static String nameOf(Class<?> command) {
        String name = command.getSimpleName();
        return name.substring(0, name.length() - "Command".length()).toLowerCase(Locale.ROOT);
    }

    private static int execute(ParseResult parsed) {
        if (!isVerbose(parsed.commandSpec())) {
            return new CommandLine.RunLast().execute(parsed);
        }
        PrintWriter err = parsed.commandSpec().commandLine().getErr();
        err.println("quern " + Version.text() + ", Java " + System.getProperty("java.vm.version") + ", "
                + System.getProperty("os.arch") + ", " + Runtime.getRuntime().availableProcessors() + " cores");
        err.flush();
        long begun = System.nanoTime();
        int code = new CommandLine.RunLast().execute(parsed);
        err.printf(
                Locale.ROOT,
                "%.2f s, %s, exit code %d%n",
                (System.nanoTime() - begun) / 1e9,
                PeakMemory.now().text(),
                code);
        err.flush();
        return code;
    }

    private static boolean isVerbose(CommandSpec spec) {
        return spec.root().userObject() instanceof Quern quern && quern.verbose;
    }

    private static final IExecutionExceptionHandler EXECUTION = Quern::explain;

    private static int explain(Exception e, CommandLine line, ParseResult parsed) {
        Shutdown.awaitWhereFilesAreGone();
        PrintWriter err = line.getErr();
        int code = switch (e) {
            case InputException refused -> {
                say(err, refused.getMessage(), refused.hint());
                yield REFUSED;
            }
            case RefusedException refused -> {
                say(err, refused.getMessage(), refused.hint());
                yield USAGE;
            }
            case OutputException failed -> {
                say(err, failed.getMessage(), null);
                yield FAILED;
            }
            default -> {
                say(err, "internal error: " + e, "please report this with the trace below");
                if (!isVerbose(line.getCommandSpec())) {
                    e.printStackTrace(err);
                }
                yield FAILED;
            }
        };
        if (isVerbose(line.getCommandSpec())) {
            e.printStackTrace(err);
        }
        err.flush();
        return code;
    }

    private static void say(
            PrintWriter err,
            @org.jspecify.annotations.Nullable String message,
            @org.jspecify.annotations.Nullable String hint) {
        err.println("error: " + message);
        if (hint != null) {
            err.println("hint: " + hint);
        }
    }

    private static final IParameterExceptionHandler PARAMETERS = (ParameterException e, String[] args) -> {
        PrintWriter err = e.getCommandLine().getErr();
        err.println("error: " + e.getMessage());
        if (!UnmatchedArgumentException.printSuggestions(e, err)) {
            err.println("hint: " + e.getCommandLine().getCommandSpec().qualifiedName() + " --help shows the options");
        }
        err.flush();
        return USAGE;
    };

    /** A refusal of the command line by the command itself. */
    static ParameterException usage(CommandSpec spec, String problem) {
        return new ParameterException(spec.commandLine(), problem);
    }

    /** Refuses options that were given and do nothing without another. */
    static void refuseAlone(CommandSpec spec, String other, String... options) {
        for (String option : options) {
            if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
                throw usage(spec, option + " is of no use without " + other);
            }
        }
    }
}
