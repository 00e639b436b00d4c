package dev.quern.tokenizer;

import java.io.ByteArrayOutputStream;
import java.text.Normalizer;
import java.util.Arrays;

/**
 * The tokenizer of vocabularies of model "bert": WordPiece as llama.cpp runs it (llama-vocab.cpp,
 * {@code llm_tokenizer_wpm_session}). Text is cut at white space, punctuation and Chinese characters, without control
 * characters, in lower case and without accents unless the vocabulary says otherwise; each word then takes the longest
 * token that it begins with, again and again, and is unknown if that does not come out even. Tokens that begin a word
 * begin with {@code ▁}; the others had {@code ##} in vocab.txt.
 */
final class WordPieceTokenizer extends VocabularyTokenizer {
    private final TokenTable table;
    private final boolean lowercase;
    private final boolean stripAccents;
    private final int longest;

    WordPieceTokenizer(Vocabulary vocabulary) {
        super(vocabulary);
        table = LoadedTokens.table(texts);
        lowercase = vocabulary.settings().bool(Vocabulary.LOWERCASE).orElse(true);
        stripAccents = vocabulary.settings().bool(Vocabulary.STRIP_ACCENTS).orElse(lowercase);
        longest = Arrays.stream(texts).mapToInt(text -> text.length).max().orElse(0);
    }

    /** llama.cpp adds both tokens whatever the flags say. */
    @Override
    void begin(IntList out) {
        out.add(bos());
    }

    @Override
    void end(IntList out) {
        out.add(vocabulary.special(SpecialToken.SEPARATOR).orElseThrow());
    }

    @Override
    StretchEncoder stretches() {
        return (text, from, to, out) -> words(DecodedText.of(text, from, to), out);
    }

    private void words(DecodedText text, IntList out) {
        ByteArrayOutputStream word = new ByteArrayOutputStream();
        byte[] buffer = new byte[4];
        for (int i = 0; i < text.length; i++) {
            int c = text.codePoints[i];
            if (stripAccents && c >= 0x80) {
                c = firstOfDecomposition(c);
            }
            int flags = CodePoints.flags(c);
            if ((flags & CodePoints.WHITESPACE) != 0) {
                finish(word, out);
                continue;
            }
            if (c == 0
                    || c == 0xFFFD
                    || (flags & CodePoints.CONTROL) != 0
                    || stripAccents && (flags & CodePoints.MARK) != 0) {
                continue;
            }
            int size = DecodedText.put(buffer, 0, lowercase ? Character.toLowerCase(c) : c);
            boolean alone = (flags & CodePoints.PUNCTUATION) != 0
                    || c < 0x7F && (flags & CodePoints.SYMBOL) != 0
                    || isChinese(c);
            if (alone) {
                finish(word, out);
            }
            word.write(buffer, 0, size);
            if (alone) {
                finish(word, out);
            }
        }
        finish(word, out);
    }

    private void finish(ByteArrayOutputStream word, IntList out) {
        if (word.size() == 0) {
            return;
        }
        byte[] spelled = new byte[LoadedTokens.SPACE.length + word.size()];
        System.arraycopy(LoadedTokens.SPACE, 0, spelled, 0, LoadedTokens.SPACE.length);
        System.arraycopy(word.toByteArray(), 0, spelled, LoadedTokens.SPACE.length, word.size());
        word.reset();
        IntList pieces = new IntList();
        for (int at = 0; at < spelled.length; ) {
            int length = Math.min(spelled.length - at, longest);
            int id = -1;
            while (length > 0 && (id = table.find(spelled, at, length)) < 0) {
                length--;
            }
            if (id < 0) {
                out.add(vocabulary.special(SpecialToken.UNKNOWN).orElseThrow());
                return;
            }
            pieces.add(id);
            at += length;
        }
        int[] ids = pieces.toArray();
        out.addAll(ids, 0, ids.length);
    }

    /** What is left of a character when the marks that its decomposition ends in are taken away. */
    private static int firstOfDecomposition(int c) {
        // A lone surrogate is no text for Java.
        return c >= 0xD800 && c <= 0xDFFF
                ? c
                : Normalizer.normalize(Character.toString(c), Normalizer.Form.NFD)
                        .codePointAt(0);
    }

    static boolean isChinese(int c) {
        return c >= 0x4E00 && c <= 0x9FFF
                || c >= 0x3400 && c <= 0x4DBF
                || c >= 0x20000 && c <= 0x2A6DF
                || c >= 0x2A700 && c <= 0x2B73F
                || c >= 0x2B740 && c <= 0x2B81F
                // From U+2B820 in Unicode; Hugging Face and llama.cpp begin later.
                || c >= 0x2B920 && c <= 0x2CEAF
                || c >= 0xF900 && c <= 0xFAFF
                || c >= 0x2F800 && c <= 0x2FA1F;
    }

    /** The words with a space between them: what was cut away does not come back. */
    @Override
    void write(int id, boolean first, ByteArrayOutputStream out) {
        writeWithSpaces(id, out.size() == 0, out);
    }
}
