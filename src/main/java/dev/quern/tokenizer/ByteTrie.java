package dev.quern.tokenizer;

import java.util.Arrays;
import java.util.List;

/** Tokens by their bytes, one byte after the other: a hash table of nodes and the bytes that lead on from them. */
final class ByteTrie {
    static final int ROOT = 0;
    private static final int NONE = -1;

    private int nodes = 1;
    private int[] ids = new int[1024];
    // Open addressing: node << 8 | byte, plus one; 0 is none.
    private long[] keys = new long[4096];
    private int[] children = new int[4096];

    /** Of tokens with the same bytes the last counts. */
    ByteTrie(byte[][] texts, List<Integer> members) {
        Arrays.fill(ids, NONE);
        for (int id : members) {
            int node = ROOT;
            for (byte b : texts[id]) {
                node = childOrNew(node, b);
            }
            ids[node] = id;
        }
    }

    /** The node that a byte leads to, or -1. */
    int child(int node, byte b) {
        long key = key(node, b);
        int slot = slot(key);
        return keys[slot] == 0 ? NONE : children[slot];
    }

    /** The token that ends at a node, or -1. */
    int id(int node) {
        return ids[node];
    }

    /** Bytes of the longest token that the text has at {@code at}; 0 if none. */
    int longest(byte[] text, int at) {
        int longest = 0;
        int node = ROOT;
        for (int end = at; end < text.length; ) {
            node = child(node, text[end++]);
            if (node < 0) {
                break;
            }
            if (ids[node] >= 0) {
                longest = end - at;
            }
        }
        return longest;
    }

    private int childOrNew(int node, byte b) {
        long key = key(node, b);
        int slot = slot(key);
        if (keys[slot] != 0) {
            return children[slot];
        }
        if (2 * nodes > keys.length) {
            grow();
            slot = slot(key);
        }
        if (nodes == ids.length) {
            int before = ids.length;
            ids = Arrays.copyOf(ids, 2 * before);
            Arrays.fill(ids, before, ids.length, NONE);
        }
        keys[slot] = key;
        children[slot] = nodes;
        return nodes++;
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldChildren = children;
        keys = new long[2 * oldKeys.length];
        children = new int[keys.length];
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldKeys[i] != 0) {
                int slot = slot(oldKeys[i]);
                keys[slot] = oldKeys[i];
                children[slot] = oldChildren[i];
            }
        }
    }

    private static long key(int node, byte b) {
        return ((long) node << 8 | b & 0xff) + 1;
    }

    private int slot(long key) {
        int slot = (int) (key * 0x9E3779B97F4A7C15L >>> 32) & keys.length - 1;
        while (keys[slot] != 0 && keys[slot] != key) {
            slot = slot + 1 & keys.length - 1;
        }
        return slot;
    }
}
