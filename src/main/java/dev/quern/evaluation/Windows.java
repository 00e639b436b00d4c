package dev.quern.evaluation;

import dev.quern.io.InputException;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * A text as llama-perplexity cuts it (llama.cpp, tools/perplexity): windows of one length, in each of which the tokens
 * from one position on are asked for the next.
 *
 * @param origin the text's name, for messages
 * @param tokens the whole text's, with what the tokenizer adds in front
 * @param beginning the token that replaces each window's first, where the vocabulary adds one
 * @param length tokens in a window
 * @param step tokens from one window's beginning to the next one's
 * @param first position in a window that is asked first
 * @param count windows
 */
public record Windows(String origin, int[] tokens, OptionalInt beginning, int length, int step, int first, int count) {
    /** Below it no position of a window's second half has a successor in the window. */
    public static final int LEAST = 3;

    /** What llama.cpp rounds a context up to (llama-context.cpp). */
    private static final int CONTEXT_MULTIPLE = 256;

    /**
     * The usual method: windows that do not overlap, what is left over is dropped, and a window's second half is asked.
     *
     * @param most windows at most
     * @throws InputException when the text makes fewer than two windows
     */
    public static Windows halves(String origin, int[] tokens, OptionalInt beginning, int length, int most) {
        if (length < LEAST || most < 1) {
            throw new IllegalArgumentException("windows of " + length + " tokens, at most " + most);
        }
        requireTwo(origin, tokens, length);
        return new Windows(
                origin, tokens, beginning, length, length, length / 2, Math.min(most, tokens.length / length));
    }

    /**
     * The method of {@code --ppl-stride}: overlapping windows, each of which is asked for its last {@code stride}
     * tokens. No window's first token is replaced: the peer means to, but does so only after decoding.
     *
     * @param length see {@link #stridedLength}
     * @throws InputException when the text makes fewer than two windows
     */
    public static Windows strided(String origin, int[] tokens, int length, int stride, int most) {
        if (stride < 1 || stride >= length || most < 1) {
            throw new IllegalArgumentException("windows of " + length + ", stride " + stride + ", at most " + most);
        }
        requireTwo(origin, tokens, length);
        int count = Math.ceilDiv(tokens.length - length, stride);
        return new Windows(
                origin, tokens, OptionalInt.empty(), length, stride, length - stride - 1, Math.min(most, count));
    }

    /**
     * The length of strided windows: the context plus half a stride, in whole multiples of 256. That is what the peer
     * has with its batch as large as its context ({@code -b} equal to {@code -c}).
     */
    public static int stridedLength(int context, int stride) {
        return Math.multiplyExact(Math.ceilDiv(Math.addExact(context, stride / 2), CONTEXT_MULTIPLE), CONTEXT_MULTIPLE);
    }

    private static void requireTwo(String origin, int[] tokens, int length) {
        if (tokens.length < 2L * length) {
            throw InputException.of(
                            origin,
                            "text shorter than two windows: expected at least " + 2L * length + " tokens, found "
                                    + tokens.length)
                    .withHint("use a longer text or a smaller context (--calibrate-ctx, --gate-ctx, -c)");
        }
    }

    /** @throws InputException when a token is not in the model's vocabulary */
    public void requireVocabulary(int size) {
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0 || tokens[i] >= size) {
                throw InputException.of(
                        origin,
                        "token " + i + " of the text has id " + tokens[i] + ", the model's vocabulary ends at "
                                + (size - 1));
            }
        }
    }

    /**
     * Some of these windows, evenly spread over the text, and asked from another position on.
     *
     * @param most windows at most
     * @param newFirst position in a window that is asked first
     */
    public Windows spread(int most, int newFirst) {
        int kept = Math.min(most, count);
        if (kept < 1 || newFirst < 0 || newFirst > length - 2) {
            throw new IllegalArgumentException(most + " windows, asked from position " + newFirst + " on");
        }
        int[] chosen = new int[Math.multiplyExact(kept, length)];
        for (int i = 0; i < kept; i++) {
            int window = (int) ((long) i * count / kept);
            System.arraycopy(tokens, window * step, chosen, i * length, length);
        }
        return new Windows(origin, chosen, beginning, length, length, newFirst, kept);
    }

    /** Tokens of a window that are scored. */
    public int scored() {
        return length - 1 - first;
    }

    /** What the model sees of windows {@code from … from + windows - 1}, one after the other. */
    public int[] input(int from, int windows) {
        int[] input = new int[Math.multiplyExact(windows, length)];
        for (int i = 0; i < windows; i++) {
            System.arraycopy(tokens, (from + i) * step, input, i * length, length);
            if (beginning.isPresent()) {
                input[i * length] = beginning.getAsInt();
            }
        }
        return input;
    }

    /** The tokens that these windows are asked for: {@link #scored} of each. */
    public int[] targets(int from, int windows) {
        int[] targets = new int[windows * scored()];
        for (int i = 0; i < windows; i++) {
            System.arraycopy(tokens, (from + i) * step + first + 1, targets, i * scored(), scored());
        }
        return targets;
    }

    /** The tokens that the windows are cut from, without what is left over. */
    int[] covered() {
        return Arrays.copyOf(tokens, (count - 1) * step + length);
    }
}
