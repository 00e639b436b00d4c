package dev.quern.cli;

import dev.quern.evaluation.Gate;
import dev.quern.evaluation.Quantity;
import dev.quern.evaluation.Windows;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** Conditions that an output must meet before it gets its name. */
final class GateOptions {
    @Option(
            names = "--gate",
            paramLabel = "EXPRESSION",
            description = "A condition such as kld<=0.03, ppl_increase<=2%%, same_top>=91%% or size<=4GB; quern compare"
                    + " --help names them all. Repeatable. An output that does not meet every one is not put in"
                    + " place, an older file of its name stays, and the exit code is 4.")
    List<String> expressions = List.of();

    @Option(
            names = "--gate-text",
            paramLabel = "TEXT",
            description =
                    "The text that outputs are compared with the source on: one that the model has not seen. Gates"
                            + " on size need none.")
    @Nullable
    Path text;

    @Option(
            names = "--gate-ctx",
            paramLabel = "N",
            description = "Tokens in a window of it (default: ${DEFAULT-VALUE}).")
    int context = 512;

    @Option(names = "--gate-chunks", paramLabel = "N", description = "Windows of it at most (default: all).")
    int chunks = -1;

    @Option(
            names = "--keep-failed",
            description = "Put an output in place even if it does not meet its gates; the exit code is 4 all the same.")
    boolean keepFailed;

    private List<Gate> gates = List.of();

    /** Refuses what cannot be judged, before anything is done. */
    void check(CommandSpec spec) {
        try {
            gates = expressions.stream().map(Gate::parse).toList();
        } catch (Gate.Unreadable e) {
            throw Quern.usage(spec, String.valueOf(e.getMessage()));
        }
        if (measures() && text == null) {
            throw Quern.usage(spec, "--gate: expected --gate-text TEXT to compare on; only size can be judged without");
        }
        if (!measures() && text != null) {
            throw Quern.usage(spec, "--gate-text is of no use without a --gate that asks about more than size");
        }
        if (gates.isEmpty()) {
            Quern.refuseAlone(spec, "--gate", "--keep-failed", "--gate-ctx", "--gate-chunks");
        }
        if (context < Windows.LEAST) {
            throw Quern.usage(spec, "--gate-ctx: expected at least " + Windows.LEAST + " tokens, found " + context);
        }
        if (chunks == 0) {
            throw Quern.usage(spec, "--gate-chunks: expected at least 1, found 0");
        }
    }

    /** The files that these options name. */
    List<Path> files() {
        return text == null ? List.of() : List.of(text);
    }

    List<Gate> gates() {
        return gates;
    }

    /** Whether a gate asks about more than the size. */
    boolean measures() {
        return gates.stream().anyMatch(gate -> gate.quantity() != Quantity.SIZE);
    }

    int mostWindows() {
        return chunks < 0 ? Integer.MAX_VALUE : chunks;
    }
}
