package dev.quern.tokenizer;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * The merges of byte pair encoding: pairs of symbols, what they become, and their rank, lower first. A symbol is any
 * text that a merge or a token has; tokens have their ids as symbols, other texts the numbers behind them.
 */
final class MergeRanks {
    static final int NONE = -1;

    private final TokenTable symbols;
    private int count;
    private byte[][] texts;

    // Open addressing; 0 is no key, as a pair of symbols 0 and 0 is stored as every other with one added.
    private long[] keys;
    private long[] values;
    private final int mask;
    // Another one for each table, so that no file can be made whose pairs all fall into one slot.
    private final long factor = new SplittableRandom().nextLong() | 1;

    /**
     * @param tokens by id, each one once
     * @param merges how many will be added at most
     */
    MergeRanks(byte[][] tokens, int merges) {
        symbols = new TokenTable(tokens.length);
        texts = Arrays.copyOf(tokens, tokens.length);
        for (int id = 0; id < tokens.length; id++) {
            symbols.put(tokens[id], id);
        }
        count = tokens.length;
        int slots = Integer.highestOneBit(Math.max(8, merges) - 1) << 2;
        mask = slots - 1;
        keys = new long[slots];
        values = new long[slots];
    }

    /** The symbol of a text, or {@link #NONE}. */
    int symbol(byte[] text) {
        return symbols.find(text);
    }

    int size() {
        return count;
    }

    byte[] text(int symbol) {
        return texts[symbol];
    }

    /** @return whether the pair is new; of several ranks the first stays */
    boolean add(byte[] left, byte[] right, int rank) {
        byte[] joined = Arrays.copyOf(left, left.length + right.length);
        System.arraycopy(right, 0, joined, left.length, right.length);
        long key = key(intern(left), intern(right));
        int slot = slot(key);
        if (keys[slot] != 0) {
            return false;
        }
        keys[slot] = key;
        values[slot] = (long) rank << 32 | intern(joined);
        return true;
    }

    private int intern(byte[] text) {
        int found = symbols.put(text, count);
        if (found >= 0) {
            return found;
        }
        if (count == texts.length) {
            texts = Arrays.copyOf(texts, texts.length + (texts.length >> 2) + 16);
        }
        texts[count] = text;
        return count++;
    }

    /** Rank in the upper half, the symbol that the pair becomes in the lower; or {@link #NONE}. */
    long find(int left, int right) {
        long key = key(left, right);
        int slot = slot(key);
        return keys[slot] == 0 ? NONE : values[slot];
    }

    private static long key(int left, int right) {
        return ((long) left << 32 | right) + 1;
    }

    private int slot(long key) {
        long hash = (key ^ key >>> 29) * factor;
        int slot = (int) (hash >>> 40) & mask;
        while (keys[slot] != 0 && keys[slot] != key) {
            slot = slot + 1 & mask;
        }
        return slot;
    }
}
