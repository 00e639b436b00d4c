package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** What a shell and a reader of manuals get. */
class ShellTest {
    @TempDir
    Path folder;

    private String completed(String... words) throws IOException, InterruptedException {
        Path script = folder.resolve("quern.bash");
        Files.writeString(script, Cli.run("completion", "bash").out());
        String line = String.join(" ", words);
        Process bash = new ProcessBuilder(
                        "bash",
                        "-c",
                        "source " + script + "; COMP_WORDS=(" + line + (line.endsWith(" ") ? "''" : "")
                                + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE='" + line
                                + "'; _complete_quern; printf '%s\\n' \"${COMPREPLY[@]}\"")
                // bash says there that no completion is going on, which a test cannot change.
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String out = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(bash.waitFor()).isZero();
        return out;
    }

    @Test
    void bashCompletesCommandsAndOptions() throws Exception {
        assertThat(completed("quern", "conv")).isEqualTo("convert\n");
        assertThat(completed("quern", "run", "--dry")).isEqualTo("--dry-run\n");
        assertThat(completed("quern", "completion", "Z").lines()).contains("ZSH");
    }

    @Test
    void zshGetsAFunctionFile() {
        String script = Cli.run("completion", "zsh").out();
        assertThat(script)
                .startsWith("#compdef quern\n")
                .contains("bashcompinit")
                .contains("_complete_quern");
        assertThat(Cli.run("completion", "fish").code()).isEqualTo(2);
    }

    /** Every command and option has its place in the pages, and no line of text is taken for a request. */
    @Test
    void manualPagesAreComplete() throws Exception {
        assertThat(Cli.run("man", "--all", "-o", folder).code()).isZero();
        CommandLine root = Quern.commandLine();
        for (CommandLine command : Stream.concat(Stream.of(root), root.getSubcommands().values().stream())
                .toList()) {
            Path file = folder.resolve(ManualPage.name(command.getCommandSpec()) + ".1");
            List<String> lines = Files.readAllLines(file);
            String page = String.join("\n", lines);
            for (OptionSpec option : command.getCommandSpec().options()) {
                assertThat(page).contains("\\fB" + option.longestName().replace("-", "\\-") + "\\fR");
            }
            assertThat(lines.stream().filter(line -> line.startsWith(".")))
                    .allMatch(line -> line.matches("\\.(TH|SH|TP|nf|fi|nh|ad)( .*)?"));
        }
        assertThat(Files.readString(folder.resolve("quern.1"))).contains("\\fBquern\\-convert\\fR(1)");
        assertThat(Cli.run("man", "convert").out()).startsWith(".TH \"QUERN\\-CONVERT\" 1");
        assertThat(Cli.run("man", "mill").code()).isEqualTo(2);
    }

    /** A command that is called by its name is the only one that is set up, and is the same as among all. */
    @Test
    void aCommandAloneIsWhatItIsAmongAll() {
        Quern.commandLine().getSubcommands().forEach((name, among) -> {
            CommandLine alone = Objects.requireNonNull(
                    Quern.commandLine(name).getSubcommands().get(name), name);
            assertThat(alone.getUsageMessage()).isEqualTo(among.getUsageMessage());
            assertThat(among.getCommandName()).isEqualTo(name);
        });
        assertThat(Quern.commandLine("hash", "FILE").getSubcommands()).containsOnlyKeys("hash");
    }

    /** One way to be quiet: data alone on stdout, and errors. */
    @Test
    void everyCommandThatTalksCanBeQuiet() {
        CommandLine root = Quern.commandLine();
        assertThat(root.getSubcommands()).hasSizeGreaterThan(10);
        List<String> silent = List.of("inspect", "completion", "man", "help");
        root.getSubcommands().forEach((name, command) -> {
            if (!silent.contains(name)) {
                assertThat(command.getCommandSpec().findOption("--quiet"))
                        .as(name)
                        .isNotNull();
            }
        });
    }
}
