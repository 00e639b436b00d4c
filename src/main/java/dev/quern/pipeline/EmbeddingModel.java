package dev.quern.pipeline;

import dev.quern.checkpoint.SentenceModules;
import dev.quern.evaluation.CachedForward;
import dev.quern.evaluation.Embeddings;
import dev.quern.evaluation.Pooling;
import dev.quern.io.Quoted;
import dev.quern.io.RefusedException;
import dev.quern.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A model that makes vectors of texts.
 *
 * @param pooling how the states of a text's tokens become its vector
 * @param context tokens of a text at most
 */
public record EmbeddingModel(EvaluatedModel evaluated, Pooling pooling, int context) implements AutoCloseable {
    /** Two tokens around a text, and one of it. */
    public static final int LEAST_CONTEXT = 3;

    /**
     * @param asked how to pool, whatever the model says
     * @param context tokens of a text at most; 0 for as many as the model was trained with
     * @param notices is told, in one line each, what was decided in the model's place
     * @throws RefusedException when a decoder does not say how to pool and nobody asked
     */
    public static EmbeddingModel open(Path path, Optional<Pooling> asked, int context, Consumer<String> notices) {
        EvaluatedModel evaluated = EvaluatedModel.open(path);
        try {
            Pooling pooling =
                    asked.or(() -> Pooling.of(evaluated.source().model())).orElseGet(() -> assumed(evaluated, notices));
            int trained = CachedForward.trainedContext(evaluated.source().model(), evaluated.pass());
            sayOfModules(path, trained, context, notices);
            return new EmbeddingModel(evaluated, pooling, context == 0 ? trained : context);
        } catch (RuntimeException e) {
            evaluated.close();
            throw e;
        }
    }

    /** Where sentence-transformers makes another vector of a checkpoint. */
    private static void sayOfModules(Path path, int trained, int context, Consumer<String> notices) {
        SentenceModules.longestText(path).stream()
                .filter(longest -> context == 0 && longest < trained)
                .forEach(longest -> notices.accept(
                        "note: " + path + ": sentence-transformers leaves out what goes beyond " + longest
                                + " tokens of a text (sentence_bert_config.json), and so does -c " + longest));
        for (String module : SentenceModules.further(path)) {
            notices.accept("note: " + path + ": modules.json has a module " + Quoted.plain(module)
                    + ", which no GGUF has; the vectors are those before it");
        }
    }

    /** What sentence-transformers does with an encoder that says nothing; of a decoder nothing can be assumed. */
    private static Pooling assumed(EvaluatedModel evaluated, Consumer<String> notices) {
        Path path = evaluated.source().path();
        String missing = "does not say how its states become one vector ("
                + Pooling.key(evaluated.source().model()) + " is missing)";
        if (!evaluated.pass().bidirectional()) {
            throw new RefusedException(
                    path,
                    missing,
                    "say it with --pooling mean|cls|last|none; most decoders that were trained for vectors take the"
                            + " last token's state");
        }
        notices.accept("note: " + path + ": " + missing
                + "; the mean is taken, as sentence-transformers does (--pooling says otherwise)");
        return Pooling.MEAN;
    }

    /**
     * A text's tokens, with those that the model wants around it.
     *
     * @param cut whether the text is longer than the context, and its end left out
     * @param empty whether there is no token of the text's own
     */
    @SuppressWarnings("ArrayRecordComponent")
    public record Tokens(int[] ids, boolean cut, boolean empty) {}

    /** As sentence-transformers cuts a text: its end is left out, the token that ends every text is not. */
    public Tokens tokens(byte[] text) {
        Tokenizer tokenizer = evaluated.tokenizer();
        int[] around = tokenizer.encode(new byte[0], true);
        int[] ids = tokenizer.encode(text, true);
        boolean empty = ids.length == around.length;
        if (ids.length <= context) {
            return new Tokens(ids, false, empty);
        }
        int[] kept = Arrays.copyOf(ids, context);
        // Two tokens are around a text, or one, which is the first or the last.
        if (around.length > 1 || around.length == 1 && !tokenizer.addsBos()) {
            kept[context - 1] = ids[ids.length - 1];
        }
        return new Tokens(kept, true, empty);
    }

    /** Values of a vector. */
    public int width() {
        return Math.toIntExact(evaluated
                .source()
                .model()
                .metadata()
                .integer(evaluated.source().model().metadata().architecture() + ".embedding_length")
                .orElseThrow());
    }

    /** Makes its vectors. */
    public Embeddings embeddings(int threads) {
        return new Embeddings(evaluated.source().model(), evaluated.pass(), pooling, threads);
    }

    @Override
    public void close() {
        evaluated.close();
    }
}
