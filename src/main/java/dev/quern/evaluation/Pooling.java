package dev.quern.evaluation;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** How the states of a text's tokens become its vector; numbered as llama.cpp's {@code llama_pooling_type}. */
public enum Pooling {
    /** They do not: a vector for each token. */
    NONE,
    MEAN,
    /** The first token's, which BERT calls {@code [CLS]}. */
    CLS,
    LAST;

    private static final String KEY = "pooling_type";

    /** Models that score a question and an answer together (llama.cpp's RANK). */
    private static final long RANKING = 4;

    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** All words, for messages. */
    public static String words() {
        return Arrays.stream(values()).map(Pooling::word).collect(Collectors.joining(", "));
    }

    public static Optional<Pooling> named(String word) {
        return Arrays.stream(values())
                .filter(pooling -> pooling.word().equals(word.toLowerCase(Locale.ROOT)))
                .findFirst();
    }

    /** The metadata key that says it. */
    public static String key(Model model) {
        return model.metadata().architecture() + "." + KEY;
    }

    /**
     * What the model says; empty where it says nothing.
     *
     * @throws InputException when it says something else
     */
    public static Optional<Pooling> of(Model model) {
        return model.metadata().get(key(model)).map(value -> {
            if (!(value instanceof GgufValue.Int number)) {
                throw refused(model, "expected an integer, found " + Keys.described(value));
            }
            if (number.value() == RANKING) {
                throw refused(model, "4 (rank) is that of a model that scores pairs of texts, and makes no vectors");
            }
            if (number.value() < 0 || number.value() >= values().length) {
                throw refused(
                        model, "expected 0 to 3 (" + words() + "), found " + Long.toUnsignedString(number.value()));
            }
            return values()[(int) number.value()];
        });
    }

    private static InputException refused(Model model, String problem) {
        return InputException.of(model.origin(), "key " + Quoted.of(key(model)) + ": " + problem)
                .withHint("--pooling " + words().replace(", ", "|") + " says it in the model's place");
    }
}
