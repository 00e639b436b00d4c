package dev.quern.tokenizer;

import dev.quern.gguf.GgufValue;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokenizer of vocabularies of model "t5": SentencePiece's Unigram as llama.cpp runs it (llama-vocab.cpp,
 * {@code llm_tokenizer_ugm_session}). The text is normalized by the vocabulary's {@link CharacterMap}, its spaces become
 * {@code ▁}, and of all ways to cut it into tokens the one with the greatest sum of scores is taken, in doubles. What no
 * token covers is unknown, a run of it once.
 */
final class UnigramTokenizer extends VocabularyTokenizer {
    /** How much worse an unknown character is than the worst token. */
    private static final float UNKNOWN_PENALTY = 10;

    private final ByteTrie tokens;
    private final ByteTrie userDefined;
    private final CharacterMap map;
    private final double[] scores;
    private final double unknownScore;
    private final int unknown;
    private final boolean mergesSpaces;

    UnigramTokenizer(Vocabulary vocabulary) {
        super(vocabulary);
        scores = new double[texts.length];
        float least = Float.MAX_VALUE;
        List<Integer> inText = new ArrayList<>();
        List<Integer> given = new ArrayList<>();
        TokenType[] types = vocabulary.types();
        for (int id = 0; id < texts.length; id++) {
            TokenType type = types[id];
            if (type == TokenType.NORMAL) {
                least = Math.min(least, vocabulary.scores()[id]);
            }
            scores[id] = type == TokenType.USER_DEFINED ? 0 : vocabulary.scores()[id];
            if (type == TokenType.NORMAL || type == TokenType.USER_DEFINED || type == TokenType.UNUSED) {
                inText.add(id);
            }
            if (type == TokenType.USER_DEFINED) {
                given.add(id);
            }
        }
        unknownScore = least - UNKNOWN_PENALTY;
        unknown = vocabulary.special(SpecialToken.UNKNOWN).orElseThrow();
        tokens = new ByteTrie(texts, inText);
        userDefined = new ByteTrie(texts, given);
        map = vocabulary
                .settings()
                .get(Vocabulary.CHARACTER_MAP)
                .map(value -> CharacterMap.of("vocabulary", bytes((GgufValue.Ints) value)))
                .orElse(CharacterMap.NONE);
        mergesSpaces =
                vocabulary.settings().bool(Vocabulary.REMOVE_EXTRA_WHITESPACES).orElse(false);
    }

    private static byte[] bytes(GgufValue.Ints values) {
        byte[] bytes = new byte[values.values().length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) values.values()[i];
        }
        return bytes;
    }

    @Override
    StretchEncoder stretches() {
        return (text, from, to, out) -> best(normalized(Arrays.copyOfRange(text, from, to)), out);
    }

    private byte[] normalized(byte[] text) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(text.length + 16);
        boolean prepends = vocabulary.addsSpacePrefix();
        boolean prepended = false;
        boolean inWord = false;
        byte[] replacement = {(byte) 0xef, (byte) 0xbf, (byte) 0xbd};
        for (int at = 0; at < text.length; ) {
            byte[] from = text;
            int begin = at;
            int end;
            int given = userDefined.longest(text, at);
            if (given > 0) {
                end = at + given;
                at = end;
            } else {
                long found = map.longest(text, at);
                if (found >= 0) {
                    from = map.replacements();
                    begin = (int) found;
                    end = map.end(begin);
                    at += (int) (found >>> 32);
                } else {
                    int length = DecodedText.validLength(text, at);
                    if (length > 0) {
                        end = at + length;
                        at = end;
                    } else {
                        from = replacement;
                        begin = 0;
                        end = replacement.length;
                        at++;
                    }
                }
            }
            for (int i = begin; i < end; i++) {
                if (from[i] == ' ') {
                    inWord = false;
                    if (!mergesSpaces) {
                        out.writeBytes(LoadedTokens.SPACE);
                    }
                    continue;
                }
                if (!inWord) {
                    inWord = true;
                    if (prepends && !prepended || mergesSpaces) {
                        out.writeBytes(LoadedTokens.SPACE);
                        prepended = true;
                    }
                }
                out.write(from[i]);
            }
        }
        return out.toByteArray();
    }

    /** Adds the ids of the best way to cut a normalized text. */
    private void best(byte[] text, IntList out) {
        if (text.length == 0) {
            return;
        }
        double[] sums = new double[text.length + 1];
        Arrays.fill(sums, 1, sums.length, -Double.MAX_VALUE);
        int[] ids = new int[text.length + 1];
        int[] begins = new int[text.length + 1];
        Arrays.fill(ids, unknown);
        for (int at = 0; at < text.length; ) {
            int character = Math.min(DecodedText.lengthByFirstByte(text[at]), text.length - at);
            boolean covered = false;
            double sum = sums[at];
            int node = ByteTrie.ROOT;
            for (int end = at; end < text.length; ) {
                node = tokens.child(node, text[end++]);
                if (node < 0) {
                    break;
                }
                int id = tokens.id(node);
                if (id >= 0) {
                    covered |= end - at == character;
                    double challenger = sum + scores[id];
                    if (challenger > sums[end]) {
                        sums[end] = challenger;
                        ids[end] = id;
                        begins[end] = at;
                    }
                }
            }
            if (!covered && sum + unknownScore > sums[at + character]) {
                sums[at + character] = sum + unknownScore;
                ids[at + character] = unknown;
                begins[at + character] = at;
            }
            at += character;
        }
        IntList reversed = new IntList();
        boolean afterUnknown = false;
        for (int at = text.length; ; at = begins[at]) {
            boolean isUnknown = ids[at] == unknown;
            if (!(afterUnknown && isUnknown)) {
                reversed.add(ids[at]);
            }
            if (begins[at] == 0) {
                break;
            }
            afterUnknown = isUnknown;
        }
        for (int i = reversed.size() - 1; i >= 0; i--) {
            out.add(reversed.get(i));
        }
    }

    @Override
    void write(int id, boolean first, ByteArrayOutputStream out) {
        if (vocabulary.types()[id] == TokenType.BYTE) {
            out.write(ByteTokens.valueOf(texts[id]));
        } else {
            writeWithSpaces(id, (vocabulary.addsSpacePrefix() || mergesSpaces) && out.size() == 0, out);
        }
    }
}
