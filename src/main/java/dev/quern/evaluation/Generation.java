package dev.quern.evaluation;

import java.util.Arrays;
import java.util.Set;

/** Text token by token: what a model says after a prompt. */
public final class Generation {
    /** Why it ended. */
    public enum End {
        /** As many tokens as were wanted. */
        LENGTH,
        /** The model ended the text. */
        END_OF_TEXT,
        /** No position is left. */
        CONTEXT
    }

    @FunctionalInterface
    public interface Listener {
        /**
         * @param token the next one
         * @param probability that the model gave it before any sampling
         */
        void token(int token, double probability);
    }

    /** @param tokens prompt and answer; an ending token is not among them */
    public record Result(int[] tokens, int promptTokens, End end, double promptSeconds, double seconds) {
        /** Tokens written in a second, without the time that the prompt took. */
        public double tokensPerSecond() {
            return (tokens.length - promptTokens) / seconds;
        }
    }

    private Generation() {}

    /**
     * @param forward with no cells in use
     * @param prompt at least one token, fewer than there are positions
     * @param most tokens to write; negative for as many as there is room for
     * @param positions of the whole text at most
     * @param endings tokens that end the text
     */
    public static Result run(
            CachedForward forward,
            int[] prompt,
            int most,
            int positions,
            Set<Integer> endings,
            Sampler sampler,
            Listener listener) {
        long start = System.nanoTime();
        long begun = start;
        int wanted = most < 0 ? positions : Math.min(most, positions);
        int[] tokens = Arrays.copyOf(prompt, Math.addExact(prompt.length, wanted));
        int count = prompt.length;
        End end = End.LENGTH;
        int[] fresh = prompt;
        for (int written = 0; most < 0 || written < most; written++) {
            if (count >= positions) {
                end = End.CONTEXT;
                break;
            }
            float[] logits = forward.next(fresh);
            if (written == 0) {
                begun = System.nanoTime();
            }
            double shift = shift(logits);
            float[] raw = logits.clone();
            int token = sampler.next(logits, Arrays.copyOf(tokens, count));
            if (endings.contains(token)) {
                end = End.END_OF_TEXT;
                break;
            }
            tokens[count++] = token;
            fresh = new int[] {token};
            listener.token(token, Math.exp(raw[token] - shift));
        }
        return new Result(
                Arrays.copyOf(tokens, count),
                prompt.length,
                end,
                (begun - start) / 1e9,
                (System.nanoTime() - begun) / 1e9);
    }

    /** ln Σ e^logit. */
    private static double shift(float[] logits) {
        float max = Exponential.max(logits, 0, logits.length);
        return max + Math.log(LogProbabilities.sumOfExponentials(logits, 0, logits.length, max, new float[8]));
    }
}
