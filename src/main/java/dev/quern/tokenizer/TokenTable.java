package dev.quern.tokenizer;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Token ids by the bytes of the token: open addressing, looked up by a range of a larger array without copying it. */
final class TokenTable {
    private int mask;
    private int[] ids;
    private int[] hashes;
    private byte[][] tokens;
    private int size;
    // Another one for each table, so that no file can be made whose tokens all fall into one slot.
    private final long seed = new SplittableRandom().nextLong();
    private int longest;

    /** @param capacity about how many tokens there will be; more of them make the table grow */
    TokenTable(int capacity) {
        // At most half full. The number of tokens is bounded by the readers, far below 2^29.
        int slots = Integer.highestOneBit(Math.max(8, capacity) - 1) << 2;
        mask = slots - 1;
        ids = new int[slots];
        Arrays.fill(ids, -1);
        hashes = new int[slots];
        tokens = new byte[slots][];
    }

    /** Enters a token unless it is there. @return the id it already had, or -1 */
    int put(byte[] token, int id) {
        int hash = hash(token, 0, token.length);
        int slot = hash & mask;
        while (ids[slot] >= 0) {
            if (hashes[slot] == hash && Arrays.equals(tokens[slot], token)) {
                return ids[slot];
            }
            slot = slot + 1 & mask;
        }
        ids[slot] = id;
        hashes[slot] = hash;
        tokens[slot] = token;
        longest = Math.max(longest, token.length);
        if (++size > ids.length >> 1) {
            grow();
        }
        return -1;
    }

    private void grow() {
        int[] oldIds = ids;
        int[] oldHashes = hashes;
        byte[][] oldTokens = tokens;
        int slots = Math.multiplyExact(oldIds.length, 2);
        mask = slots - 1;
        ids = new int[slots];
        Arrays.fill(ids, -1);
        hashes = new int[slots];
        tokens = new byte[slots][];
        for (int old = 0; old < oldIds.length; old++) {
            if (oldIds[old] >= 0) {
                int slot = oldHashes[old] & mask;
                while (ids[slot] >= 0) {
                    slot = slot + 1 & mask;
                }
                ids[slot] = oldIds[old];
                hashes[slot] = oldHashes[old];
                tokens[slot] = oldTokens[old];
            }
        }
    }

    /** The id of the token that is {@code text[from .. from + length)}, or -1. */
    int find(byte[] text, int from, int length) {
        if (length > longest) {
            return -1;
        }
        int hash = hash(text, from, length);
        int slot = hash & mask;
        while (ids[slot] >= 0) {
            if (hashes[slot] == hash && isAt(tokens[slot], text, from, length)) {
                return ids[slot];
            }
            slot = slot + 1 & mask;
        }
        return -1;
    }

    int find(byte[] token) {
        return find(token, 0, token.length);
    }

    private static boolean isAt(byte[] token, byte[] text, int from, int length) {
        return token.length == length && Arrays.equals(token, 0, length, text, from, from + length);
    }

    private int hash(byte[] text, int from, int length) {
        long h = seed;
        for (int i = from; i < from + length; i++) {
            h = (h ^ text[i]) * 0x9E3779B97F4A7C15L;
        }
        // The low bits of a product depend on the low bits of its factors only; the high ones on all of them.
        return (int) (h >>> 32);
    }
}
