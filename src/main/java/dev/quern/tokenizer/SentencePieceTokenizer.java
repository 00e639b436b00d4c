package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The tokenizer of vocabularies of model "llama": SentencePiece's byte pair encoding as llama.cpp runs it
 * (llama-vocab.cpp, {@code llm_tokenizer_spm}). User-defined tokens are cut out first, longest first; every stretch of
 * text between them gets a space in front, spaces become {@code ▁}, and {@link BigramMerging} does the rest.
 *
 * <p>Where llama.cpp and SentencePiece differ, this follows llama.cpp, because perplexities are compared with it: merges
 * may form control, unknown and unused tokens, and a character map or whitespace folding in the model file is not
 * applied.
 */
final class SentencePieceTokenizer implements Tokenizer {
    private static final byte[] SPACE = "\u2581".getBytes(StandardCharsets.UTF_8);

    private final Vocabulary vocabulary;
    private final byte[][] texts;
    private final TokenTable table;
    private final MergeBoundaries boundaries;
    private final UserTokens userTokens;
    private final UserTokens specialTokens;
    /** The token of every byte value, or {@link #NONE}. */
    private final int[] byteTokens;

    private final int unknown;

    SentencePieceTokenizer(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        texts = LoadedTokens.texts(vocabulary);
        table = LoadedTokens.table(texts);
        boundaries = new MergeBoundaries(texts);
        userTokens = new UserTokens(texts, LoadedTokens.userDefined(vocabulary, texts));
        specialTokens = new UserTokens(texts, LoadedTokens.special(vocabulary, texts));
        byteTokens = new int[256];
        unknown = vocabulary.special(SpecialToken.UNKNOWN).orElseThrow();
        for (int value = 0; value < 256; value++) {
            int spelled = table.find(ByteTokens.spelling(value));
            byteTokens[value] = spelled >= 0 ? spelled : table.find(new byte[] {(byte) value});
        }
    }

    @Override
    public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
        IntList out = new IntList();
        if (addSpecial && addsBos()) {
            out.add(bos());
        }
        List<UserTokens.Part> parts = (parseSpecial ? specialTokens : userTokens).split(text);
        BigramMerging merging = new BigramMerging(table, vocabulary.scores(), boundaries, byteTokens, unknown);
        boolean afterSpecial = true;
        for (UserTokens.Part part : parts) {
            if (part.token() >= 0) {
                out.add(part.token());
                afterSpecial = true;
            } else {
                boolean prefix = vocabulary.addsSpacePrefix() && afterSpecial;
                merging.encode(escaped(text, part.from(), part.to(), prefix), out);
                afterSpecial = false;
            }
        }
        if (addSpecial && addsEos()) {
            out.add(eos());
        }
        return out.toArray();
    }

    private static byte[] escaped(byte[] text, int from, int to, boolean prefix) {
        int spaces = 0;
        for (int i = from; i < to; i++) {
            spaces += text[i] == ' ' ? 1 : 0;
        }
        byte[] out = new byte[escapedLength(to - from, spaces, prefix)];
        int at = 0;
        if (prefix) {
            System.arraycopy(SPACE, 0, out, 0, SPACE.length);
            at = SPACE.length;
        }
        for (int i = from; i < to; i++) {
            if (text[i] == ' ') {
                System.arraycopy(SPACE, 0, out, at, SPACE.length);
                at += SPACE.length;
            } else {
                out[at++] = text[i];
            }
        }
        return out;
    }

    static int escapedLength(int bytes, int spaces, boolean prefix) {
        long length = bytes + (SPACE.length - 1L) * spaces + (prefix ? SPACE.length : 0);
        // The longest array that JVMs allocate.
        if (length > Integer.MAX_VALUE - 8) {
            throw InputException.of(
                            "text", "expected less than 2 GiB with spaces as U+2581, found " + length + " bytes")
                    .withHint("Take a shorter text.");
        }
        return (int) length;
    }

    @Override
    public byte[] decode(int[] ids) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(ids.length * 4);
        boolean dropSpace = vocabulary.addsSpacePrefix();
        for (int id : ids) {
            if (id < 0 || id >= size()) {
                throw new IllegalArgumentException("token id " + id + " of a vocabulary of " + size());
            }
            switch (vocabulary.types()[id]) {
                case CONTROL, UNKNOWN -> dropSpace = vocabulary.addsSpacePrefix();
                case USER_DEFINED -> {
                    out.writeBytes(texts[id]);
                    dropSpace = vocabulary.addsSpacePrefix();
                }
                case BYTE -> {
                    out.write(ByteTokens.valueOf(texts[id]));
                    dropSpace = false;
                }
                case NORMAL, UNUSED, UNDEFINED -> {
                    byte[] text = LoadedTokens.unescaped(texts[id]);
                    int from = dropSpace && text.length > 0 && text[0] == ' ' ? 1 : 0;
                    out.write(text, from, text.length - from);
                    dropSpace = false;
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
