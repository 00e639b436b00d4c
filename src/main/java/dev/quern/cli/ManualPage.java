package dev.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** A command's help as a manual page in troff with the man macros (man(7)): all that the help says and nothing else. */
final class ManualPage {
    private final StringBuilder out = new StringBuilder();
    private final CommandSpec spec;

    private ManualPage(CommandSpec spec) {
        this.spec = spec;
    }

    /** {@code quern-convert}. */
    static String name(CommandSpec spec) {
        return spec.qualifiedName("-");
    }

    /** @param version of the program, for the footer */
    static String of(CommandSpec spec, String version) {
        return new ManualPage(spec).page(version);
    }

    private String page(String version) {
        String name = name(spec);
        line(".TH \"" + escaped(name.toUpperCase(Locale.ROOT)) + "\" 1 \"\" \"" + escaped("quern " + version)
                + "\" \"Quern\"");
        // No hyphenation, and ragged right: names of options and files stay whole.
        line(".nh");
        line(".ad l");
        section("NAME");
        line(text(name) + " \\- "
                + text(String.join(" ", help(spec.usageMessage().description()))));
        section("SYNOPSIS");
        synopsis();
        section("DESCRIPTION");
        for (String paragraph : help(spec.usageMessage().description())) {
            line(text(paragraph));
        }
        List<PositionalParamSpec> positionals = spec.positionalParameters().stream()
                .filter(arg -> !arg.hidden())
                .toList();
        if (!positionals.isEmpty()) {
            section("ARGUMENTS");
            positionals.forEach(argument -> tagged("\\fI" + text(argument.paramLabel()) + "\\fR", argument));
        }
        section("OPTIONS");
        spec.options().stream().filter(option -> !option.hidden()).forEach(option -> tagged(option(option), option));
        commands();
        exitCodes();
        footer();
        return out.toString();
    }

    private void synopsis() {
        String words = spec.commandLine().getHelp().synopsis(0).strip();
        line("\\fB" + text(spec.qualifiedName()) + "\\fR"
                + text(words.substring(
                                Math.min(words.length(), spec.qualifiedName().length()))
                        .replaceAll("\\s+", " ")));
    }

    private static String option(OptionSpec option) {
        String names = Arrays.stream(option.names())
                .map(name -> "\\fB" + text(name) + "\\fR")
                .collect(Collectors.joining(", "));
        String label = option.arity().max() == 0 ? "" : "=\\fI" + text(option.paramLabel()) + "\\fR";
        return names + label;
    }

    private void tagged(String tag, ArgSpec argument) {
        line(".TP");
        line(tag);
        line(text(described(argument)));
    }

    /** The description as the help's last column has it, defaults filled in. */
    private String described(ArgSpec argument) {
        CommandLine.Help help = spec.commandLine().getHelp();
        CommandLine.Help.ColorScheme plain = CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF);
        CommandLine.Help.Ansi.Text[][] rows = argument instanceof OptionSpec option
                ? help.createDefaultOptionRenderer().render(option, help.parameterLabelRenderer(), plain)
                : help.createDefaultParameterRenderer()
                        .render((PositionalParamSpec) argument, help.parameterLabelRenderer(), plain);
        return Arrays.stream(rows).map(row -> row[row.length - 1].toString()).collect(Collectors.joining(" "));
    }

    private void commands() {
        Map<String, CommandLine> commands = spec.subcommands();
        if (commands.isEmpty()) {
            return;
        }
        section("COMMANDS");
        commands.forEach((name, command) -> {
            line(".TP");
            line("\\fB" + text(name(command.getCommandSpec())) + "\\fR(1)");
            line(text(String.join(
                    " ", help(command.getCommandSpec().usageMessage().description()))));
        });
    }

    private void exitCodes() {
        Map<String, String> codes = spec.usageMessage().exitCodeList();
        if (codes.isEmpty()) {
            return;
        }
        section("EXIT STATUS");
        codes.forEach((code, meaning) -> {
            line(".TP");
            line("\\fB" + text(code) + "\\fR");
            line(text(meaning));
        });
    }

    /** Footers hold examples, whose spaces matter. */
    private void footer() {
        List<String> lines = new ArrayList<>(help(spec.usageMessage().footer()));
        while (!lines.isEmpty() && lines.getFirst().isBlank()) {
            lines.removeFirst();
        }
        if (lines.isEmpty()) {
            return;
        }
        section("NOTES");
        line(".nf");
        lines.forEach(one -> line(text(one)));
        line(".fi");
    }

    private void section(String name) {
        line(".SH " + name);
    }

    private void line(String text) {
        out.append(text).append('\n');
    }

    /** As the help prints it: format specifiers and variables are filled in. */
    private List<String> help(String[] texts) {
        CommandLine.Help.Ansi plain = CommandLine.Help.Ansi.OFF;
        List<String> lines = new ArrayList<>();
        for (String one : texts) {
            plain.new Text(String.format(one)).toString().lines().forEach(lines::add);
            if (one.isEmpty()) {
                lines.add("");
            }
        }
        return lines;
    }

    /** Text that is no request and holds no escape; a hyphen stays the one of the keyboard. */
    private static String text(String text) {
        String escaped = escaped(text);
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\e").replace("-", "\\-").replace("\"", "\\(dq");
    }
}
