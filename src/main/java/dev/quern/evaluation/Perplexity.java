package dev.quern.evaluation;

import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * Perplexity by llama-perplexity's method (llama.cpp, tools/perplexity): the text is tokenized as a whole and cut into
 * windows that do not overlap, what is left over is dropped; the first token of each window is replaced by the
 * beginning-of-sequence token where the vocabulary adds one; from the middle of a window on, each token but the last is
 * asked for the next.
 */
public final class Perplexity {
    /** Below it no position of a window's second half has a successor in the window. */
    public static final int LEAST_WINDOW = 3;

    private Perplexity() {}

    /** What has been measured when a window is done. */
    public record Progress(int windowsDone, int windows, double perplexity, double secondsLeft) {}

    @FunctionalInterface
    public interface Listener {
        /** Called once for each window, in order, on the caller's thread. */
        void windowDone(Progress progress);
    }

    /**
     * @param perplexity e^(mean improbability)
     * @param error one standard error of the perplexity, the scored tokens taken as independent
     * @param meanImprobability mean of -ln p(token), nats
     * @param scored tokens scored
     * @param windows windows evaluated
     * @param window tokens in each
     * @param running the perplexity up to and with each window
     * @param seconds time of the evaluation, without tokenizing
     */
    public record Result(
            double perplexity,
            double error,
            double meanImprobability,
            long scored,
            int windows,
            int window,
            List<Double> running,
            double seconds) {
        public Result {
            running = List.copyOf(running);
        }

        /** Tokens that went through the model in a second, scored or not. */
        public double tokensPerSecond() {
            return (double) windows * window / seconds;
        }

        /**
         * Bits that the model needs for a byte of the text, if the scored tokens stand for all.
         *
         * @param tokens of the whole text
         * @param bytes of the whole text
         */
        public double bitsPerByte(long tokens, long bytes) {
            return meanImprobability / Math.log(2) * tokens / bytes;
        }
    }

    /**
     * @param forward made for windows of the wanted length
     * @param origin the text's name, for messages
     * @param tokens the whole text's, with what the tokenizer adds in front
     * @param beginning the token that replaces each window's first, where the vocabulary adds one
     * @param most windows to evaluate at most
     * @throws InputException when the text makes fewer than two windows, holds a token that the model has not, or when
     *     the model's logits are not finite
     */
    public static Result measure(
            Forward forward, String origin, int[] tokens, OptionalInt beginning, int most, Listener listener) {
        int window = forward.window();
        if (window < LEAST_WINDOW || most < 1) {
            throw new IllegalArgumentException("windows of " + window + " tokens, at most " + most);
        }
        if (tokens.length < 2L * window) {
            throw InputException.of(
                            origin,
                            "text shorter than two windows: expected at least " + 2L * window + " tokens, found "
                                    + tokens.length)
                    .withHint("use a longer text or a smaller context");
        }
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0 || tokens[i] >= forward.vocabulary()) {
                throw InputException.of(
                        origin,
                        "token " + i + " of the text has id " + tokens[i] + ", the model's vocabulary ends at "
                                + (forward.vocabulary() - 1));
            }
        }
        return new Run(forward, origin, tokens, beginning, Math.min(most, tokens.length / window), listener).evaluate();
    }

    private static final class Run {
        private final Forward forward;
        private final String origin;
        private final int[] tokens;
        private final OptionalInt beginning;
        private final int windows;
        private final Listener listener;
        private final int window;
        private final int first;
        private final List<Double> running = new ArrayList<>();
        private final long start = System.nanoTime();
        private double sum;
        private double squares;
        private long scored;

        Run(Forward forward, String origin, int[] tokens, OptionalInt beginning, int windows, Listener listener) {
            this.forward = forward;
            this.origin = origin;
            this.tokens = tokens;
            this.beginning = beginning;
            this.windows = windows;
            this.listener = listener;
            this.window = forward.window();
            this.first = window / 2;
        }

        Result evaluate() {
            for (int done = 0; done < windows; ) {
                int count = Math.min(forward.windowsInFlight(), windows - done);
                double[] improbabilities = batch(done, count);
                int each = window - 1 - first;
                for (int i = 0; i < count; i++) {
                    add(improbabilities, i * each, each, done + i);
                }
                done += count;
            }
            double mean = sum / scored;
            double perplexity = Math.exp(mean);
            double variance = squares / scored - mean * mean;
            double error = variance > 0 ? Math.sqrt(variance / (scored - 1)) * perplexity : 0;
            return new Result(perplexity, error, mean, scored, windows, window, running, seconds());
        }

        private double[] batch(int from, int count) {
            int[] input = Arrays.copyOfRange(tokens, from * window, (from + count) * window);
            int each = window - 1 - first;
            int[] targets = new int[count * each];
            for (int i = 0; i < count; i++) {
                System.arraycopy(input, i * window + first + 1, targets, i * each, each);
                if (beginning.isPresent()) {
                    input[i * window] = beginning.getAsInt();
                }
            }
            return forward.improbabilities(input, first, window - 1, targets);
        }

        private void add(double[] improbabilities, int from, int count, int index) {
            for (int i = from; i < from + count; i++) {
                if (!Double.isFinite(improbabilities[i])) {
                    throw InputException.of(
                                    origin,
                                    "window " + (index + 1) + ", token " + (first + 1 + i - from)
                                            + ": the model's logits are not finite")
                            .withHint("the weights hold NaN or infinities, or overflow in float");
                }
                sum += improbabilities[i];
                squares += improbabilities[i] * improbabilities[i];
            }
            scored += count;
            double perplexity = Math.exp(sum / scored);
            running.add(perplexity);
            double left = seconds() / (index + 1) * (windows - index - 1);
            listener.windowDone(new Progress(index + 1, windows, perplexity, left));
        }

        private double seconds() {
            return (System.nanoTime() - start) / 1e9;
        }
    }
}
