package dev.quern.tokenizer;

import java.io.ByteArrayOutputStream;

/**
 * What the tokenizers of all models have in common: a text's begin and end, the tokens that are cut out of it before
 * anything else, longest first, and what of a token is text. A model says how the stretches between those tokens become
 * ids, and what the other tokens' texts are.
 */
abstract class VocabularyTokenizer implements Tokenizer {
    final Vocabulary vocabulary;
    final byte[][] texts;
    private final UserTokens userTokens;
    private final UserTokens specialTokens;

    VocabularyTokenizer(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        texts = LoadedTokens.texts(vocabulary);
        userTokens = new UserTokens(texts, LoadedTokens.userDefined(vocabulary, texts));
        specialTokens = new UserTokens(texts, LoadedTokens.special(vocabulary, texts));
    }

    /** Encodes the stretches of one text one after the other; what it needs to work with lasts from one to the next. */
    interface StretchEncoder {
        /** Adds the ids of the bytes from {@code from} to before {@code to}, at least one. */
        void encode(byte[] text, int from, int to, IntList out);
    }

    /** For one text; other threads may be at others. */
    abstract StretchEncoder stretches();

    /**
     * Writes the text of a token that is neither cut out of texts nor left out of them.
     *
     * @param first whether no such token stands between it and the text's begin or the last token of another kind
     */
    abstract void write(int id, boolean first, ByteArrayOutputStream out);

    void begin(IntList out) {
        if (addsBos()) {
            out.add(bos());
        }
    }

    void end(IntList out) {
        if (addsEos()) {
            out.add(eos());
        }
    }

    @Override
    public final int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
        IntList out = new IntList();
        if (addSpecial) {
            begin(out);
        }
        StretchEncoder stretches = stretches();
        for (UserTokens.Part part : (parseSpecial ? specialTokens : userTokens).split(text)) {
            if (part.token() >= 0) {
                out.add(part.token());
            } else {
                stretches.encode(text, part.from(), part.to(), out);
            }
        }
        if (addSpecial) {
            end(out);
        }
        return out.toArray();
    }

    @Override
    public final byte[] decode(int[] ids) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(ids.length * 4);
        boolean first = true;
        for (int id : ids) {
            if (id < 0 || id >= size()) {
                throw new IllegalArgumentException("token id " + id + " of a vocabulary of " + size());
            }
            switch (vocabulary.types()[id]) {
                case CONTROL, UNKNOWN -> first = true;
                case USER_DEFINED -> {
                    out.writeBytes(texts[id]);
                    first = true;
                }
                case BYTE, NORMAL, UNUSED, UNDEFINED -> {
                    write(id, first, out);
                    first = false;
                }
            }
        }
        return out.toByteArray();
    }

    /** A token's text with spaces for {@code ▁}; {@code dropsSpace}: without the one that it begins with. */
    final void writeWithSpaces(int id, boolean dropsSpace, ByteArrayOutputStream out) {
        byte[] text = LoadedTokens.unescaped(texts[id]);
        int from = dropsSpace && text.length > 0 && text[0] == ' ' ? 1 : 0;
        out.write(text, from, text.length - from);
    }

    @Override
    public final int bos() {
        return vocabulary.special(SpecialToken.BOS).orElse(NONE);
    }

    @Override
    public final int eos() {
        return vocabulary.special(SpecialToken.EOS).orElse(NONE);
    }

    @Override
    public final boolean addsBos() {
        return vocabulary.addsBos();
    }

    @Override
    public final boolean addsEos() {
        return vocabulary.addsEos();
    }

    @Override
    public final int size() {
        return vocabulary.size();
    }
}
