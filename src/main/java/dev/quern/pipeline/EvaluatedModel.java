package dev.quern.pipeline;

import dev.quern.architecture.Architecture;
import dev.quern.architecture.ForwardPass;
import dev.quern.architecture.Model;
import dev.quern.evaluation.Forward;
import dev.quern.evaluation.Text;
import dev.quern.evaluation.Windows;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import dev.quern.tokenizer.SpecialToken;
import dev.quern.tokenizer.Tokenizer;
import dev.quern.tokenizer.Vocabulary;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** A model that a command evaluates: opened, of a family that can be computed, with its tokenizer. */
public record EvaluatedModel(Source source, ForwardPass pass, Tokenizer tokenizer) implements AutoCloseable {
    /** @throws InputException when the model cannot be read or its family not computed */
    public static EvaluatedModel open(Path path) {
        Source source = Source.open(path);
        try {
            return of(source);
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    public static EvaluatedModel of(Source source) {
        Model model = source.model();
        ForwardPass pass = Architecture.of(model.metadata())
                .flatMap(page -> Optional.ofNullable(page.forward()))
                .orElseThrow(() -> InputException.of(
                        model.origin(),
                        "architecture " + Quoted.of(model.metadata().architecture()) + " cannot be evaluated"));
        return new EvaluatedModel(source, pass, Tokenizer.of(Vocabulary.of(model.metadata(), model.origin())));
    }

    /** @param memory bytes for the arrays */
    public Forward forward(int window, int threads, long memory) {
        return Forward.of(source.model(), pass, window, threads, memory);
    }

    /**
     * The text as perplexity tools read it.
     *
     * @throws InputException when the vocabulary ends every text with a token
     */
    public int[] tokens(Text text) {
        refuseEnding();
        return tokenizer.encode(text.bytes(), true);
    }

    /**
     * The text in windows as perplexity tools cut it, the second half of each being asked.
     *
     * @param most windows at most
     * @throws InputException when it makes fewer than two, or the vocabulary ends every text with a token
     */
    public Windows windows(Text text, int length, int most) {
        return Windows.halves(text.origin(), tokens(text), beginning(), length, most);
    }

    /** @throws InputException when nothing that is measured of predictions can be measured of the model */
    public void requirePredictions() {
        if (pass.bidirectional()) {
            throw InputException.of(
                            source.model().origin(),
                            "is an encoder, which predicts no tokens: there is no perplexity and no divergence to"
                                    + " measure")
                    .withHint("quern embed MODEL --compare OTHER measures how far its vectors are from another's");
        }
        refuseEnding();
    }

    /** @throws InputException when the vocabulary ends every text with a token */
    public void refuseEnding() {
        if (tokenizer.addsEos()) {
            throw InputException.of(
                            source.model().origin(),
                            "the vocabulary ends every text with a token, which perplexity does not allow for")
                    .withHint("tokenizer.ggml.add_eos_token is true; llama-perplexity refuses such a model too");
        }
    }

    /** The token that replaces each window's first. */
    public OptionalInt beginning() {
        return tokenizer.addsBos() ? OptionalInt.of(tokenizer.bos()) : OptionalInt.empty();
    }

    /** Tokens that end a text, a turn or a message. */
    public Set<Integer> endings() {
        Vocabulary vocabulary = Vocabulary.of(source.model().metadata());
        Set<Integer> endings = new HashSet<>();
        for (SpecialToken role : List.of(SpecialToken.EOS, SpecialToken.END_OF_TURN, SpecialToken.END_OF_MESSAGE)) {
            vocabulary.special(role).ifPresent(endings::add);
        }
        return endings;
    }

    /** Bytes of the files that hold the tensors. */
    public long bytes() {
        return source.model().files().stream().mapToLong(file -> file.size()).sum();
    }

    @Override
    public void close() {
        source.close();
    }
}
