package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A normalizer's {@code precompiled_charsmap}: the length of a double-array trie in bytes, the trie (units of 32 bits, in
 * blocks of 256; a unit with its highest bit set is a leaf), then NUL-terminated replacements that the leaves point at.
 * Vocabularies of model "llama" have it and do not use it; those of model "t5" are normalized by it.
 */
final class CharacterMap {
    /** Replaces nothing. */
    static final CharacterMap NONE = new CharacterMap(new int[0], new byte[0]);

    private static final int BLOCK = 256 * Integer.BYTES;
    private static final int LEAF = 1 << 31;

    private final int[] trie;
    private final byte[] replacements;

    private CharacterMap(int[] trie, byte[] replacements) {
        this.trie = trie;
        this.replacements = replacements;
    }

    /**
     * @param where begins messages: the file and the field
     * @throws InputException when a reader that trusts the map would read outside it
     */
    static CharacterMap of(String where, byte[] map) {
        if (map.length < Integer.BYTES) {
            throw refuse(where, "at least 4 bytes", map.length);
        }
        ByteBuffer bytes = ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN);
        long size = bytes.getInt() & 0xffff_ffffL;
        int left = bytes.remaining();
        if (size == 0 || size >= left) {
            throw refuse(where, "a trie shorter than the " + left + " bytes after its length", size);
        }
        if (size % BLOCK != 0) {
            throw refuse(where, "a trie of a multiple of 1024 bytes", size);
        }
        int count = left - (int) size;
        int[] trie = new int[(int) size / Integer.BYTES];
        for (int i = 0; i < trie.length; i++) {
            trie[i] = bytes.getInt();
            if (trie[i] < 0 && (trie[i] & ~LEAF) >= count) {
                throw refuse(where, "offsets below " + count, (trie[i] & ~LEAF) + " in unit " + i);
            }
        }
        if (map[map.length - 1] != 0) {
            throw refuse(where, "a NUL at the end", map[map.length - 1] & 0xff);
        }
        return new CharacterMap(trie, Arrays.copyOfRange(map, map.length - count, map.length));
    }

    private static InputException refuse(String where, String expected, Object found) {
        return InputException.of(where, "expected " + expected + ", found " + found);
    }

    byte[] replacements() {
        return replacements;
    }

    /** Where the replacement at {@code begin} ends. */
    int end(int begin) {
        int end = begin;
        while (replacements[end] != 0) {
            end++;
        }
        return end;
    }

    /**
     * The longest sequence of the text at {@code at} that is replaced.
     *
     * @return its length in the upper half and where its replacement begins in the lower, or -1
     */
    long longest(byte[] text, int at) {
        long found = -1;
        if (trie.length == 0) {
            return found;
        }
        int node = base(trie[0]);
        for (int end = at; end < text.length; end++) {
            int c = text[end] & 0xff;
            node ^= c;
            if (c == 0 || node < 0 || node >= trie.length || (trie[node] & (LEAF | 0xff)) != c) {
                break;
            }
            boolean ends = (trie[node] >>> 8 & 1) != 0;
            node ^= base(trie[node]);
            if (ends && node >= 0 && node < trie.length) {
                found = (long) (end - at + 1) << 32 | trie[node] & ~LEAF;
                if ((int) found >= replacements.length) {
                    throw InputException.of("precompiled_charsmap", "a replacement lies outside the map");
                }
            }
        }
        return found;
    }

    /** How far a unit's children are away, xor. */
    private static int base(int unit) {
        return unit >>> 10 << ((unit & 1 << 9) >>> 6);
    }
}
