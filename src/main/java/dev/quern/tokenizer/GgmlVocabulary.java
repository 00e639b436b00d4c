package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * LLaMA's vocabulary as the files of llama.cpp before GGUF have it: each token as the bytes it stands for, without its
 * kind. The kinds follow from the ids, which are the same in every SentencePiece model of LLaMA's making: 0 to 2 are
 * unknown, beginning and end, the next 256 are bytes, and then come the pieces.
 */
public final class GgmlVocabulary {
    private static final int FIRST_BYTE = 3;
    private static final int FIRST_PIECE = FIRST_BYTE + 256;
    private static final String[] SPECIAL = {"<unk>", "<s>", "</s>"};

    /** What the very first files have for bytes that are no text of their own: U+FFFD. */
    private static final byte[] REPLACEMENT = {(byte) 0xef, (byte) 0xbf, (byte) 0xbd};

    private GgmlVocabulary() {}

    /**
     * @param tokens by id
     * @param scores by id; where a file has none, those that SentencePiece's trainer gives: a piece's rank, negative
     */
    public static Vocabulary of(byte[][] tokens, Optional<float[]> scores) {
        byte[][] texts = new byte[tokens.length][];
        TokenType[] types = new TokenType[tokens.length];
        float[] known = scores.orElseGet(() -> ranks(tokens.length));
        for (int id = 0; id < tokens.length; id++) {
            byte[] token = tokens[id];
            if (id < FIRST_BYTE) {
                texts[id] = utf8(SPECIAL[id]);
                types[id] = id == 0 ? TokenType.UNKNOWN : TokenType.CONTROL;
            } else if (token.length == 0) {
                texts[id] = token;
                types[id] = TokenType.CONTROL;
            } else if (id < FIRST_PIECE && (token.length == 1 || Arrays.equals(token, REPLACEMENT))) {
                int value = token.length == 1 ? token[0] & 0xff : id - FIRST_BYTE;
                texts[id] = utf8(String.format("<0x%02X>", value));
                types[id] = TokenType.BYTE;
            } else {
                texts[id] = spaces(token);
                types[id] = TokenType.NORMAL;
            }
        }
        GgufMetadata settings = new GgufMetadata();
        for (int id = 0; id < Math.min(FIRST_BYTE, tokens.length); id++) {
            SpecialToken role = new SpecialToken[] {SpecialToken.UNKNOWN, SpecialToken.BOS, SpecialToken.EOS}[id];
            settings.put(role.key(), GgufValue.u32(id));
        }
        return new Vocabulary(TokenizerModel.SENTENCE_PIECE, Optional.of("default"), texts, known, types, settings);
    }

    private static float[] ranks(int count) {
        float[] ranks = new float[count];
        for (int id = FIRST_PIECE; id < count; id++) {
            ranks[id] = FIRST_PIECE - id;
        }
        return ranks;
    }

    /** SentencePiece's sign for a space, which stood for it until the file was written. */
    private static byte[] spaces(byte[] token) {
        String latin = new String(token, StandardCharsets.ISO_8859_1);
        String sign = new String(utf8("\u2581"), StandardCharsets.ISO_8859_1);
        return latin.replace(" ", sign).getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
