package dev.quern.tokenizer;

import java.util.Arrays;

/**
 * Merges the characters of a text into tokens, the best pair first: of all neighbours whose joint text is a token, the
 * one with the highest score, and of equals the leftmost (llama-vocab.cpp, {@code llm_tokenizer_spm_session}). What is
 * no token in the end becomes its bytes. O(n log n) in the length of a piece. One instance serves one thread; its
 * arrays are used again for every piece.
 */
final class BigramMerging {
    private final TokenTable table;
    private final float[] scores;
    private final MergeBoundaries boundaries;
    private final int[] byteTokens;
    private final int unknown;

    // The symbols of one piece: a list linked by index, each a range of the text. Length 0: merged into its left.
    private int[] start = new int[64];
    private int[] length = new int[64];
    private int[] previous = new int[64];
    private int[] next = new int[64];
    private int[] token = new int[64];
    private int count;

    // A binary heap, smallest key on top: score (descending), then left symbol; with each the merged length and token.
    private long[] keys = new long[128];
    private long[] merges = new long[128];
    private int heapSize;

    BigramMerging(TokenTable table, float[] scores, MergeBoundaries boundaries, int[] byteTokens, int unknown) {
        this.table = table;
        this.scores = scores;
        this.boundaries = boundaries;
        this.byteTokens = byteTokens;
        this.unknown = unknown;
    }

    /** Adds the ids of {@code text}, in which spaces are already ▁. */
    void encode(byte[] text, IntList out) {
        int at = 0;
        boolean afterUnknown = false;
        while (at < text.length) {
            count = 0;
            do {
                int size = Math.min(DecodedText.lengthByFirstByte(text[at]), text.length - at);
                addSymbol(at, size);
                at += size;
            } while (at < text.length && !boundaries.isBefore(text, at));
            merge(text);
            afterUnknown = emit(text, out, afterUnknown);
        }
    }

    private void addSymbol(int from, int size) {
        if (count == start.length) {
            int larger = Math.addExact(count, count);
            start = Arrays.copyOf(start, larger);
            length = Arrays.copyOf(length, larger);
            previous = Arrays.copyOf(previous, larger);
            next = Arrays.copyOf(next, larger);
            token = Arrays.copyOf(token, larger);
        }
        start[count] = from;
        length[count] = size;
        count++;
    }

    private void merge(byte[] text) {
        for (int i = 0; i < count; i++) {
            previous[i] = i - 1;
            next[i] = i + 1 < count ? i + 1 : -1;
            token[i] = table.find(text, start[i], length[i]);
        }
        heapSize = 0;
        for (int i = 1; i < count; i++) {
            propose(text, i - 1, i);
        }
        while (heapSize > 0) {
            int left = (int) keys[0];
            int mergedLength = (int) merges[0];
            int mergedToken = (int) (merges[0] >>> 32);
            removeTop();
            int right = next[left];
            // A pair that is no longer what it was: one side was merged elsewhere. Lengths only grow, so an equal sum
            // is the same pair.
            if (length[left] == 0 || right < 0 || length[left] + length[right] != mergedLength) {
                continue;
            }
            length[left] = mergedLength;
            token[left] = mergedToken;
            length[right] = 0;
            next[left] = next[right];
            if (next[right] >= 0) {
                previous[next[right]] = left;
                propose(text, left, next[right]);
            }
            if (previous[left] >= 0) {
                propose(text, previous[left], left);
            }
        }
    }

    private void propose(byte[] text, int left, int right) {
        int size = length[left] + length[right];
        int id = table.find(text, start[left], size);
        if (id >= 0) {
            add(key(scores[id], left), (long) id << 32 | size);
        }
    }

    /** Smaller for a higher score, then for a symbol further left. */
    private static long key(float score, int left) {
        // Adding zero makes 0 of -0, which is equal to it.
        int bits = Float.floatToIntBits(score + 0.0f);
        int ascending = bits ^ bits >> 31 & 0x7fff_ffff;
        return (long) ~ascending << 32 | left;
    }

    /** @return whether the piece ends in an unknown token */
    private boolean emit(byte[] text, IntList out, boolean afterUnknown) {
        for (int i = 0; i >= 0; i = next[i]) {
            if (token[i] >= 0) {
                out.add(token[i]);
                afterUnknown = false;
                continue;
            }
            for (int j = start[i]; j < start[i] + length[i]; j++) {
                int id = byteTokens[text[j] & 0xff];
                if (id >= 0) {
                    out.add(id);
                    afterUnknown = false;
                } else if (!afterUnknown) {
                    // Without byte tokens llama.cpp stops; SentencePiece gives one unknown token for a run.
                    out.add(unknown);
                    afterUnknown = true;
                }
            }
        }
        return afterUnknown;
    }

    private void add(long key, long merge) {
        if (heapSize == keys.length) {
            int larger = Math.addExact(heapSize, heapSize);
            keys = Arrays.copyOf(keys, larger);
            merges = Arrays.copyOf(merges, larger);
        }
        int at = heapSize++;
        while (at > 0) {
            int parent = (at - 1) >> 1;
            if (keys[parent] <= key) {
                break;
            }
            keys[at] = keys[parent];
            merges[at] = merges[parent];
            at = parent;
        }
        keys[at] = key;
        merges[at] = merge;
    }

    private void removeTop() {
        heapSize--;
        long key = keys[heapSize];
        long merge = merges[heapSize];
        int at = 0;
        for (int child = 1; child < heapSize; child = 2 * at + 1) {
            if (child + 1 < heapSize && keys[child + 1] < keys[child]) {
                child++;
            }
            if (key <= keys[child]) {
                break;
            }
            keys[at] = keys[child];
            merges[at] = merges[child];
            at = child;
        }
        keys[at] = key;
        merges[at] = merge;
    }
}
