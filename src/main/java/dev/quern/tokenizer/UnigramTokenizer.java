package dev.quern.tokenizer;

import dev.quern.gguf.GgufValue;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokenizer of vocabularies of model "t5": SentencePiece's Unigram as llama.cpp runs it (llama-vocab.cpp,
 * {@code llm_tokenizer_ugm_session}). The text is normalized by the vocabulary's {@link CharacterMap}, its spaces become
 * {@code ▁}, and of all ways to cut it into tokens the one with the greatest sum of scores is taken, in doubles. What no
 * token covers is unknown, a run of it once.
 */
final class UnigramTokenizer implements Tokenizer {
    private static final byte[] SPACE = "\u2581".getBytes(StandardCharsets.UTF_8);

    /** How much worse an unknown character is than the worst token. */
    private static final float UNKNOWN_PENALTY = 10;

    private final Vocabulary vocabulary;
    private final byte[][] texts;
    private final ByteTrie tokens;
    private final ByteTrie userDefined;
    private final CharacterMap map;
    private final UserTokens userTokens;
    private final UserTokens specialTokens;
    private final double[] scores;
    private final double unknownScore;
    private final int unknown;
    private final boolean mergesSpaces;

    UnigramTokenizer(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        texts = LoadedTokens.texts(vocabulary);
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
        userTokens = new UserTokens(texts, LoadedTokens.userDefined(vocabulary, texts));
        specialTokens = new UserTokens(texts, LoadedTokens.special(vocabulary, texts));
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
    public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
        IntList out = new IntList();
        if (addSpecial && addsBos()) {
            out.add(bos());
        }
        for (UserTokens.Part part : (parseSpecial ? specialTokens : userTokens).split(text)) {
            if (part.token() >= 0) {
                out.add(part.token());
            } else {
                best(normalized(Arrays.copyOfRange(text, part.from(), part.to())), out);
            }
        }
        if (addSpecial && addsEos()) {
            out.add(eos());
        }
        return out.toArray();
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
                        out.writeBytes(SPACE);
                    }
                    continue;
                }
                if (!inWord) {
                    inWord = true;
                    if (prepends && !prepended || mergesSpaces) {
                        out.writeBytes(SPACE);
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
    public byte[] decode(int[] ids) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(ids.length * 4);
        boolean dropsSpace = vocabulary.addsSpacePrefix() || mergesSpaces;
        for (int id : ids) {
            if (id < 0 || id >= size()) {
                throw new IllegalArgumentException("token id " + id + " of a vocabulary of " + size());
            }
            switch (vocabulary.types()[id]) {
                case CONTROL, UNKNOWN -> {
                    // Not text.
                }
                case USER_DEFINED -> out.writeBytes(texts[id]);
                case BYTE -> out.write(ByteTokens.valueOf(texts[id]));
                case NORMAL, UNUSED, UNDEFINED -> {
                    byte[] text = LoadedTokens.unescaped(texts[id]);
                    int from = dropsSpace && out.size() == 0 && text.length > 0 && text[0] == ' ' ? 1 : 0;
                    out.write(text, from, text.length - from);
                }
            }
        }
        return out.toByteArray();
    }

    @Override
    public int bos() {
        return vocabulary.special(SpecialToken.BOS).orElse(NONE);
    }

    @Override
    public int eos() {
        return vocabulary.special(SpecialToken.EOS).orElse(NONE);
    }

    @Override
    public boolean addsBos() {
        return vocabulary.addsBos();
    }

    @Override
    public boolean addsEos() {
        return vocabulary.addsEos();
    }

    @Override
    public int size() {
        return vocabulary.size();
    }
}
