package dev.quern.cli;

import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** How the commands that measure models on a text cut it and go about it. */
final class EvaluationOptions {
    @Option(
            names = {"-c", "--ctx-size"},
            paramLabel = "N",
            description = "Tokens in a window (default: ${DEFAULT-VALUE}).")
    int context = 512;

    @Option(names = "--chunks", paramLabel = "N", description = "Windows at most (default: all).")
    int chunks = -1;

    @Option(
            names = {"-t", "--threads"},
            paramLabel = "N",
            description = "Worker threads; the result is the same for any number (default: all cores).")
    int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--json", description = "Print the result as JSON on stdout.")
    boolean json;

    @Option(names = "--quiet", description = "Say nothing but the result and errors.")
    boolean quiet;

    void check(CommandSpec spec) {
        if (context < Windows.LEAST) {
            throw Quern.usage(spec, "-c: expected at least " + Windows.LEAST + " tokens, found " + context);
        }
        if (chunks == 0) {
            throw Quern.usage(spec, "--chunks: expected at least 1, found 0");
        }
    }

    int threads() {
        return Math.max(1, threads);
    }

    int mostWindows() {
        return chunks < 0 ? Integer.MAX_VALUE : chunks;
    }

    Talk talk() {
        return new Talk(quiet);
    }

    /** Reads a text and notes where it is not UTF-8. */
    static Text read(Path path, Talk talk) {
        Text text = Text.read(path);
        text.firstInvalid()
                .ifPresent(at -> talk.say("note: " + path + ": byte " + at
                        + " is not UTF-8; such bytes are tokenized as llama.cpp does"));
        return text;
    }
}
