package dev.quern.evaluation;

import dev.quern.importance.ActivationSums;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.util.Arrays;

/**
 * What llama-imatrix gathers (llama.cpp, tools/imatrix): the squares of every product's inputs, summed over all tokens of
 * a text, whose windows are cut and begun as for perplexity; and that perplexity on the way.
 */
public final class Calibration {
    private static final String OUTPUT = "output.weight";
    private static final String BLOCKS = "blk.";

    private Calibration() {}

    /**
     * @param output whether to count the output matrix too
     * @param perplexity whether to measure it on the way
     */
    public record Options(boolean output, boolean perplexity) {}

    /**
     * @param perplexity so far; NaN where it is not measured
     * @param error one standard error of it
     */
    public record Progress(int windowsDone, int windows, double perplexity, double error, double secondsLeft) {}

    @FunctionalInterface
    public interface Listener {
        /** Called for each window, in order, on the caller's thread; the sums then hold this window too. */
        void windowDone(Progress progress);
    }

    /**
     * @param perplexity NaN where it is not measured
     * @param error one standard error of it
     * @param seconds time in the model, without tokenizing
     */
    public record Result(double perplexity, double error, int windows, int window, double seconds) {
        /** Tokens that went through the model in a second. */
        public double tokensPerSecond() {
            return (double) windows * window / seconds;
        }
    }

    /**
     * Adds a text's sums to what there is.
     *
     * @param forward made for windows of this length
     * @throws InputException when the text holds a token that the model has not, or when activations are not finite
     */
    public static Result collect(
            Forward forward, Windows windows, Options options, ActivationSums sums, Listener listener) {
        if (windows.length() != forward.window() || windows.length() != windows.step()) {
            throw new IllegalArgumentException(windows.length() + " tokens, " + windows.step() + " apart");
        }
        windows.requireVocabulary(forward.vocabulary());
        return new Run(forward, windows, options, sums, listener).collect();
    }

    private static final class Run {
        private final Forward forward;
        private final Windows windows;
        private final Options options;
        private final ActivationSums sums;
        private final Listener listener;
        private final long start = System.nanoTime();
        private double sum;
        private double squares;
        private long scored;

        Run(Forward forward, Windows windows, Options options, ActivationSums sums, Listener listener) {
            this.forward = forward;
            this.windows = windows;
            this.options = options;
            this.sums = sums;
            this.listener = listener;
        }

        Result collect() {
            for (int done = 0; done < windows.count(); ) {
                int count = Math.min(forward.windowsInFlight(), windows.count() - done);
                ActivationSums[] batch = new ActivationSums[count];
                Arrays.setAll(batch, i -> new ActivationSums(windows.length()));
                ActivationObserver observer = (tensor, which, seen, counts) -> {
                    if (tensor.startsWith(BLOCKS) || options.output() && tensor.equals(OUTPUT)) {
                        requireFinite(tensor, seen);
                        batch[which].add(tensor, seen, counts);
                    }
                };
                int[] input = windows.input(done, count);
                double[] improbabilities = new double[0];
                if (options.perplexity()) {
                    improbabilities = forward.improbabilities(
                            input, windows.first(), windows.length() - 1, windows.targets(done, count), observer);
                } else {
                    forward.states(input, 0, 1, observer);
                }
                for (int i = 0; i < count; i++) {
                    sums.add(windows.origin(), batch[i]);
                    score(improbabilities, i * windows.scored(), done + i);
                }
                done += count;
            }
            return new Result(perplexity(), error(), windows.count(), windows.length(), seconds());
        }

        private void requireFinite(String tensor, double[][] seen) {
            for (double[] matrix : seen) {
                for (int column = 0; column < matrix.length; column++) {
                    if (!Double.isFinite(matrix[column])) {
                        throw InputException.of(
                                        windows.origin(),
                                        "what goes into " + Quoted.of(tensor) + " is not finite in column " + column)
                                .withHint("the weights hold NaN or infinities, or overflow in float");
                    }
                }
            }
        }

        private void score(double[] improbabilities, int from, int index) {
            if (options.perplexity()) {
                for (int i = 0; i < windows.scored(); i++) {
                    double improbability = improbabilities[from + i];
                    if (!Double.isFinite(improbability)) {
                        throw Perplexity.notFinite(windows, index, i);
                    }
                    sum += improbability;
                    squares += improbability * improbability;
                }
                scored += windows.scored();
            }
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
