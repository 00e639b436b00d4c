package dev.quern.evaluation;

import dev.quern.io.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Perplexity by llama-perplexity's method; {@link Windows} says what is asked. */
public final class Perplexity {
    private Perplexity() {}

    /**
     * What has been measured when a window is done.
     *
     * @param perplexity so far
     * @param error one standard error of it
     */
    public record Progress(int windowsDone, int windows, double perplexity, double error, double secondsLeft) {}

    @FunctionalInterface
    public interface Listener {
        /** Called once for each window, in order, on the caller's thread. */
        void windowDone(Progress progress);
    }

    /**
     * @param perplexity e^(mean improbability)
     * @param error one standard error of the perplexity, the scored tokens taken as independent
     * @param interval of the perplexity, 95 %, with windows as what is independent ({@link Bootstrap})
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
            Optional<Interval> interval,
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
     * @param forward made for windows of this length
     * @throws InputException when the text holds a token that the model has not, or when the model's logits are not
     *     finite
     */
    public static Result measure(Forward forward, Windows windows, Listener listener) {
        if (windows.length() != forward.window()) {
            throw new IllegalArgumentException("windows of " + windows.length() + ", not " + forward.window());
        }
        windows.requireVocabulary(forward.vocabulary());
        return new Run(forward, windows, listener).evaluate();
    }

    /** The refusal of a model whose numbers overflow. */
    static InputException notFinite(Windows windows, int window, int scored) {
        return InputException.of(
                        windows.origin(),
                        "window " + (window + 1) + ", token " + (windows.first() + 1 + scored)
                                + ": the model's logits are not finite")
                .withHint("the weights hold NaN or infinities, or overflow in float");
    }

    private static final class Run {
        private final Forward forward;
        private final Windows windows;
        private final Listener listener;
        private final List<Double> running = new ArrayList<>();
        private final double[] means;
        private final long start = System.nanoTime();
        private double sum;
        private double squares;
        private long scored;

        Run(Forward forward, Windows windows, Listener listener) {
            this.forward = forward;
            this.windows = windows;
            this.listener = listener;
            this.means = new double[windows.count()];
        }

        Result evaluate() {
            for (int done = 0; done < windows.count(); ) {
                int count = Math.min(forward.windowsInFlight(), windows.count() - done);
                double[] improbabilities = forward.improbabilities(
                        windows.input(done, count),
                        windows.first(),
                        windows.length() - 1,
                        windows.targets(done, count));
                for (int i = 0; i < count; i++) {
                    add(improbabilities, i * windows.scored(), done + i);
                }
                done += count;
            }
            Optional<Interval> interval =
                    Bootstrap.ofMean(means).map(i -> new Interval(Math.exp(i.low()), Math.exp(i.high())));
            return new Result(
                    perplexity(),
                    error(),
                    interval,
                    sum / scored,
                    scored,
                    windows.count(),
                    windows.length(),
                    running,
                    seconds());
        }

        private void add(double[] improbabilities, int from, int index) {
            double before = sum;
            for (int i = 0; i < windows.scored(); i++) {
                double improbability = improbabilities[from + i];
                if (!Double.isFinite(improbability)) {
                    throw notFinite(windows, index, i);
                }
                sum += improbability;
                squares += improbability * improbability;
            }
            scored += windows.scored();
            means[index] = (sum - before) / windows.scored();
            running.add(perplexity());
            double left = seconds() / (index + 1) * (windows.count() - index - 1);
            listener.windowDone(new Progress(index + 1, windows.count(), perplexity(), error(), left));
        }

        private double perplexity() {
            return Math.exp(sum / scored);
        }

        private double error() {
            double mean = sum / scored;
            double variance = squares / scored - mean * mean;
            return variance > 0 ? Math.sqrt(variance / (scored - 1)) * perplexity() : 0;
        }

        private double seconds() {
            return (System.nanoTime() - start) / 1e9;
        }
    }
}
