package dev.quern.tokenizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;

/**
 * Cuts user-defined tokens out of a text before it is tokenized: the longest token first, each time leftmost, in what
 * the longer ones have left (llama-vocab.cpp, {@code tokenizer_st_partition}). Of tokens of one length the one with the
 * lower id comes first; llama.cpp sorts them unstably, which shows only where two of them overlap in the text.
 */
final class UserTokens {
    /** A stretch of the text, or a token: then its id, otherwise -1. */
    record Part(int from, int to, int token) {}

    private final byte[][] texts;
    private final int[] longestFirst;
    /** The first two bytes of the tokens that have two, the first byte of those that have one. */
    private final BitSet beginnings = new BitSet(1 << 16);

    private final BitSet singles = new BitSet(1 << 8);

    UserTokens(byte[][] texts, List<Integer> ids) {
        this.texts = texts;
        longestFirst = ids.stream()
                .sorted(Comparator.comparingInt(id -> -texts[id].length))
                .mapToInt(Integer::intValue)
                .toArray();
        for (int id : longestFirst) {
            if (texts[id].length == 1) {
                singles.set(texts[id][0] & 0xff);
            } else {
                beginnings.set(pair(texts[id], 0));
            }
        }
    }

    List<Part> split(byte[] text) {
        List<Part> parts = new ArrayList<>();
        if (text.length > 0) {
            parts.add(new Part(0, text.length, -1));
        }
        for (int id : present(text)) {
            parts = splitAt(parts, text, id);
        }
        return parts;
    }

    /** The tokens that occur in the text at all, so that a thousand tokens do not mean a thousand searches. */
    private int[] present(byte[] text) {
        if (longestFirst.length == 0) {
            return longestFirst;
        }
        BitSet found = new BitSet(longestFirst.length);
        for (int at = 0; at < text.length; at++) {
            if (singles.get(text[at] & 0xff) || at + 1 < text.length && beginnings.get(pair(text, at))) {
                for (int i = 0; i < longestFirst.length; i++) {
                    if (!found.get(i) && isAt(texts[longestFirst[i]], text, at, text.length)) {
                        found.set(i);
                    }
                }
            }
        }
        return found.stream().map(i -> longestFirst[i]).toArray();
    }

    private List<Part> splitAt(List<Part> parts, byte[] text, int id) {
        List<Part> out = new ArrayList<>(parts.size() + 2);
        byte[] wanted = texts[id];
        for (Part part : parts) {
            if (part.token() >= 0) {
                out.add(part);
                continue;
            }
            int rest = part.from();
            for (int at = rest; at + wanted.length <= part.to(); ) {
                if (!isAt(wanted, text, at, part.to())) {
                    at++;
                    continue;
                }
                if (at > rest) {
                    out.add(new Part(rest, at, -1));
                }
                out.add(new Part(at, at + wanted.length, id));
                at += wanted.length;
                rest = at;
            }
            if (rest < part.to()) {
                out.add(new Part(rest, part.to(), -1));
            }
        }
        return out;
    }

    private static boolean isAt(byte[] wanted, byte[] text, int at, int end) {
        return wanted.length <= end - at
                && wanted[0] == text[at]
                && Arrays.equals(wanted, 0, wanted.length, text, at, at + wanted.length);
    }

    private static int pair(byte[] text, int at) {
        return (text[at] & 0xff) << 8 | text[at + 1] & 0xff;
    }
}
