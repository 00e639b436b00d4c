package dev.quern.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "completion",
        description = "Prints a script that completes commands, options and file names in a shell.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footer = {
            "",
            "bash: quern completion bash > ~/.local/share/bash-completion/completions/quern",
            "zsh:  quern completion zsh > ~/.zfunc/_quern, with fpath+=~/.zfunc before compinit in ~/.zshrc",
            "Once, in the shell at hand: source <(quern completion bash)"
        })
final class CompletionCommand implements Callable<Integer> {
    enum Shell {
        BASH,
        ZSH
    }

    @Spec
    @SuppressWarnings("NullAway.Init")
    CommandSpec spec;

    @Parameters(paramLabel = "SHELL", description = "bash or zsh.")
    @SuppressWarnings("NullAway.Init")
    Shell shell;

    @Override
    public Integer call() {
        CommandSpec root = spec.root();
        String script = AutoComplete.bash(root.name(), root.commandLine());
        if (shell == Shell.ZSH) {
            // zsh runs bash's completions after bashcompinit. A function file is run at the first completion, which it
            // has to answer itself after it has registered the function for those that follow.
            script = "#compdef " + root.name() + "\nautoload -U +X compinit bashcompinit\nbashcompinit\n" + script
                    + "\n[ \"${funcstack[1]:-}\" != _" + root.name() + " ] || _bash_complete -o default -F _complete_"
                    + root.name() + "\n";
        }
        System.out.print(script);
        return 0;
    }
}
