package dev.quern.cli;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Perplexity;
import dev.quern.evaluation.Text;
import dev.quern.io.InputException;
import dev.quern.tokenizer.Tokenizer;
import java.util.OptionalInt;

/** A model's perplexity on a text, from files to figures: what the commands perplexity and demo share. */
final class Evaluation {
    private Evaluation() {}

    record Measured(Perplexity.Result result, int tokens, double bitsPerByte) {}

    /** @param chunks windows at most, or a negative number for all */
    static Measured perplexity(
            Model model, Text text, int context, int chunks, int threads, Perplexity.Listener listener) {
        ForwardPass pass = Architecture.of(model.metadata())
                .orElseThrow(() -> InputException.of(
                        model.origin(),
                        "architecture "
                                + dev.quern.io.Quoted.of(model.metadata().architecture()) + " cannot be evaluated"))
                .forward();
        Tokenizer tokenizer = Tokenizer.of(model.metadata());
        if (tokenizer.addsEos()) {
            throw InputException.of(
                            model.origin(),
                            "the vocabulary ends every text with a token, which perplexity does not allow for")
                    .withHint("tokenizer.ggml.add_eos_token is true; llama-perplexity refuses such a model too");
        }
        int[] tokens = tokenizer.encode(text.bytes(), true);
        OptionalInt beginning = tokenizer.addsBos() ? OptionalInt.of(tokenizer.bos()) : OptionalInt.empty();
        try (Forward forward = Forward.of(model, pass, context, threads)) {
            Perplexity.Result result = Perplexity.measure(
                    forward, text.origin(), tokens, beginning, chunks < 0 ? Integer.MAX_VALUE : chunks, listener);
            return new Measured(result, tokens.length, result.bitsPerByte(tokens.length, text.bytes().length));
        }
    }
}
