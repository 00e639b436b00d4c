package dev.quern.tokenizer;

import com.google.protobuf.ByteString;
import dev.quern.io.InputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/**
 * The shape of a normalizer's {@code precompiled_charsmap}: the length of a double-array trie in bytes, the trie (units
 * of 32 bits, in blocks of 256; a unit with its highest bit set is a leaf), then NUL-terminated replacements that the
 * leaves point at. The map itself is not applied to vocabularies of model "llama".
 */
final class CharacterMap {
    private static final String WHERE = "normalizer_spec.precompiled_charsmap";
    private static final int BLOCK = 256 * Integer.BYTES;

    private CharacterMap() {}

    /** @throws InputException when a reader that trusts the map would read outside it */
    static void check(Path file, ByteString map) {
        if (map.size() < Integer.BYTES) {
            throw InputException.expected(file, WHERE, "at least 4 bytes", map.size());
        }
        ByteBuffer bytes = map.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        long trie = bytes.getInt() & 0xffff_ffffL;
        int left = bytes.remaining();
        if (trie == 0 || trie >= left) {
            throw InputException.expected(
                    file, WHERE, "a trie shorter than the " + left + " bytes after its length", trie);
        }
        if (trie % BLOCK != 0) {
            throw InputException.expected(file, WHERE, "a trie of a multiple of 1024 bytes", trie);
        }
        int replacements = left - (int) trie;
        for (int i = 0; i < trie / Integer.BYTES; i++) {
            int unit = bytes.getInt();
            if (unit < 0 && (unit & 0x7fff_ffff) >= replacements) {
                throw InputException.expected(
                        file, WHERE, "offsets below " + replacements, (unit & 0x7fff_ffff) + " in unit " + i);
            }
        }
        if (map.byteAt(map.size() - 1) != 0) {
            throw InputException.expected(file, WHERE, "a NUL at the end", map.byteAt(map.size() - 1) & 0xff);
        }
    }
}
