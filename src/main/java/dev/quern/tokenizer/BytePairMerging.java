package dev.quern.tokenizer;

import java.util.Arrays;

/**
 * Merges the bytes of a word into tokens, the pair with the lowest rank first, of equals the leftmost (llama-vocab.cpp,
 * {@code llm_tokenizer_bpe_session}). O(n log n) in the length of a word. What a word became is kept, for words come
 * again; one instance serves one thread.
 */
final class BytePairMerging {
    private static final int NO_PAIR = -1;

    /** Longer words are seldom the same, and rarely worth their place. */
    private static final int LONGEST_KEPT = 48;

    /** Words kept at most: some megabytes. */
    private static final int MOST_KEPT = 1 << 16;

    private final MergeRanks merges;
    private final int[] byteSymbols;
    private final int[][] idsOfSymbol;
    private final TokenTable words;

    // Open addressing over the words seen: where each stands in the pool of bytes and in that of ids.
    private int[] slots = new int[1 << 10];
    private int kept;
    private byte[] keyPool = new byte[1 << 12];
    private int keyPoolSize;
    private int[] keyStart = new int[1 << 9];
    private int[] hashes = new int[1 << 9];
    private int[] idStart = new int[1 << 9];
    private int[] idPool = new int[1 << 12];
    private int idPoolSize;

    // The symbols of one word: a list linked by index. Symbol -1: merged into its left, or no text of any merge.
    private int[] symbols = new int[64];
    private int[] previous = new int[64];
    private int[] next = new int[64];
    /** Rank of the pair that a symbol makes with its right neighbour, or {@link #NO_PAIR}, and what it would become. */
    private int[] ranks = new int[64];

    private int[] joined = new int[64];

    // A binary heap of rank and index, smallest on top.
    private long[] heap = new long[64];
    private int heapSize;

    /**
     * @param byteSymbols the symbol of every byte, or -1
     * @param idsOfSymbol the token of a symbol, or those of its bytes where it is none
     * @param words tokens by the bytes they stand for, if a word that is a token is not merged; otherwise an empty table
     */
    BytePairMerging(MergeRanks merges, int[] byteSymbols, int[][] idsOfSymbol, TokenTable words) {
        this.merges = merges;
        this.byteSymbols = byteSymbols;
        this.idsOfSymbol = idsOfSymbol;
        this.words = words;
        Arrays.fill(slots, -1);
    }

    /** Adds the ids of the word {@code text[from, to)}. */
    void encode(byte[] text, int from, int to, IntList out) {
        int length = to - from;
        if (length > LONGEST_KEPT) {
            encodeAnew(text, from, to, out);
            return;
        }
        int hash = hash(text, from, to);
        int slot = hash & slots.length - 1;
        while (slots[slot] >= 0) {
            int word = slots[slot];
            if (hashes[word] == hash && Arrays.equals(keyPool, keyStart[word], keyStart[word + 1], text, from, to)) {
                out.addAll(idPool, idStart[word], idStart[word + 1]);
                return;
            }
            slot = slot + 1 & slots.length - 1;
        }
        int before = out.size();
        encodeAnew(text, from, to, out);
        if (kept < MOST_KEPT) {
            keep(text, from, to, hash, out, before);
        }
    }

    private void keep(byte[] text, int from, int to, int hash, IntList out, int before) {
        int length = to - from;
        int ids = out.size() - before;
        if (kept + 2 > keyStart.length) {
            keyStart = Arrays.copyOf(keyStart, 2 * keyStart.length);
            idStart = Arrays.copyOf(idStart, 2 * idStart.length);
            hashes = Arrays.copyOf(hashes, 2 * hashes.length);
        }
        if (keyPoolSize + length > keyPool.length) {
            keyPool = Arrays.copyOf(keyPool, 2 * keyPool.length + length);
        }
        if (idPoolSize + ids > idPool.length) {
            idPool = Arrays.copyOf(idPool, 2 * idPool.length + ids);
        }
        System.arraycopy(text, from, keyPool, keyPoolSize, length);
        out.copyTo(before, idPool, idPoolSize, ids);
        hashes[kept] = hash;
        keyPoolSize += length;
        idPoolSize += ids;
        kept++;
        keyStart[kept] = keyPoolSize;
        idStart[kept] = idPoolSize;
        if (2 * kept > slots.length) {
            slots = new int[2 * slots.length];
            Arrays.fill(slots, -1);
            for (int word = 0; word < kept; word++) {
                enter(word);
            }
        } else {
            enter(kept - 1);
        }
    }

    private void enter(int word) {
        int slot = hashes[word] & slots.length - 1;
        while (slots[slot] >= 0) {
            slot = slot + 1 & slots.length - 1;
        }
        slots[slot] = word;
    }

    private static int hash(byte[] text, int from, int to) {
        long h = 0x9E3779B97F4A7C15L;
        for (int i = from; i < to; i++) {
            h = (h ^ text[i]) * 0x9E3779B97F4A7C15L;
        }
        return (int) (h >>> 32);
    }

    private void encodeAnew(byte[] text, int from, int to, IntList out) {
        int whole = words.find(text, from, to - from);
        if (whole >= 0) {
            out.add(whole);
            return;
        }
        int count = to - from;
        reserve(count);
        for (int i = 0; i < count; i++) {
            symbols[i] = byteSymbols[text[from + i] & 0xff];
            previous[i] = i - 1;
            next[i] = i + 1 < count ? i + 1 : -1;
        }
        heapSize = 0;
        for (int i = 0; i < count; i++) {
            propose(i);
        }
        merge();
        for (int i = 0; i >= 0; i = next[i]) {
            // A byte without a symbol of its own is no token and in no merge: nothing stands for it.
            if (symbols[i] >= 0) {
                int[] ids = idsOfSymbol[symbols[i]];
                out.addAll(ids, 0, ids.length);
            }
        }
    }

    private void merge() {
        while (heapSize > 0) {
            long top = removeTop();
            int left = (int) top;
            // A pair that is no longer what it was: one side was merged elsewhere.
            if (ranks[left] != (int) (top >>> 32)) {
                continue;
            }
            int right = next[left];
            symbols[left] = joined[left];
            ranks[right] = NO_PAIR;
            next[left] = next[right];
            if (next[right] >= 0) {
                previous[next[right]] = left;
            }
            propose(left);
            if (previous[left] >= 0) {
                propose(previous[left]);
            }
        }
    }

    /** Looks at the pair of a symbol and its right neighbour. */
    private void propose(int left) {
        int right = next[left];
        long found = right < 0 || symbols[left] < 0 || symbols[right] < 0
                ? MergeRanks.NONE
                : merges.find(symbols[left], symbols[right]);
        if (found < 0) {
            ranks[left] = NO_PAIR;
            return;
        }
        ranks[left] = (int) (found >>> 32);
        joined[left] = (int) found;
        add(found & 0xffff_ffff_0000_0000L | left);
    }

    private void reserve(int count) {
        if (count > symbols.length) {
            int larger = Math.max(count, (int) Math.min(2L * symbols.length, Integer.MAX_VALUE - 8));
            symbols = new int[larger];
            previous = new int[larger];
            next = new int[larger];
            ranks = new int[larger];
            joined = new int[larger];
        }
    }

    private void add(long key) {
        if (heapSize == heap.length) {
            heap = Arrays.copyOf(heap, Math.addExact(heapSize, heapSize));
        }
        int at = heapSize++;
        while (at > 0) {
            int parent = (at - 1) >> 1;
            if (heap[parent] <= key) {
                break;
            }
            heap[at] = heap[parent];
            at = parent;
        }
        heap[at] = key;
    }

    private long removeTop() {
        long top = heap[0];
        long key = heap[--heapSize];
        int at = 0;
        for (int child = 1; child < heapSize; child = 2 * at + 1) {
            if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
                child++;
            }
            if (key <= heap[child]) {
                break;
            }
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = key;
        return top;
    }
}
