package dev.quern.cli;

import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Perplexity;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.pipeline.EvaluatedModel;

/** A model's perplexity on a text, from files to figures: what the commands perplexity and demo share. */
final class Evaluation {
    private Evaluation() {}

    record Measured(Perplexity.Result result, int tokens, double bitsPerByte) {}

    /**
     * @param stride tokens that each of the overlapping windows is asked for; 0 for windows that do not overlap
     * @param chunks windows at most, or a negative number for all
     */
    static Measured perplexity(
            EvaluatedModel model,
            Text text,
            int context,
            int stride,
            int chunks,
            int threads,
            Perplexity.Listener listener) {
        model.requirePredictions();
        int[] tokens = model.tokens(text);
        int most = chunks < 0 ? Integer.MAX_VALUE : chunks;
        Windows windows = stride == 0
                ? Windows.halves(text.origin(), tokens, model.beginning(), context, most)
                : Windows.strided(text.origin(), tokens, Windows.stridedLength(context, stride), stride, most);
        try (Forward forward = model.forward(windows.length(), threads, Forward.DEFAULT_MEMORY)) {
            Perplexity.Result result = Perplexity.measure(forward, windows, listener);
            return new Measured(result, tokens.length, result.bitsPerByte(tokens.length, text.bytes().length));
        }
    }
}
