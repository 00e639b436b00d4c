package dev.quern.cli;

import dev.quern.evaluation.Calibration;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.InputException;
import dev.quern.pipeline.EvaluatedModel;
import java.util.Arrays;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What of a model's run over a text is gathered. */
final class CalibrationOptions {
    @Option(names = "--process-output", description = "Count what goes into output.weight too.")
    boolean processOutput;

    @Option(
            names = "--parse-special",
            description = "Take text that spells a control token, such as </s>, for that token.")
    boolean parseSpecial;

    @Option(
            names = {"--from-chunk", "--chunk"},
            paramLabel = "N",
            description = "Leave out the first N windows.")
    int firstChunk;

    @Option(names = "--no-ppl", description = "Do not measure the perplexity on the way.")
    boolean noPerplexity;

    Calibration.Options options() {
        return new Calibration.Options(processOutput, !noPerplexity);
    }

    /**
     * The text's windows from the wanted one on; empty where none is left.
     *
     * @param done windows that an earlier run has gathered
     * @param most windows at most, those done among them
     * @throws InputException when the text makes fewer than two windows, or all are to be left out
     */
    Optional<Windows> windows(EvaluatedModel model, Text text, int context, long done, int most) {
        model.refuseEnding();
        int[] tokens = model.tokenizer().encode(text.bytes(), true, parseSpecial);
        Windows all = Windows.halves(text.origin(), tokens, model.beginning(), context, Integer.MAX_VALUE);
        if (firstChunk >= all.count()) {
            throw InputException.of(
                            text.origin(),
                            "expected more than the " + firstChunk + " windows to leave out, found " + all.count())
                    .withHint("use a longer text, a smaller context or a smaller --from-chunk");
        }
        long left = Math.min(all.count() - firstChunk, most) - done;
        if (left <= 0) {
            return Optional.empty();
        }
        int from = Math.toIntExact((firstChunk + done) * context);
        return Optional.of(new Windows(
                text.origin(),
                Arrays.copyOfRange(tokens, from, tokens.length),
                model.beginning(),
                context,
                context,
                all.first(),
                (int) left));
    }
}
