package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * The tokens that a tokenizer.json names, one for each row of the embedding, as convert_hf_to_gguf.py names them
 * (TextModel.get_vocab_base).
 */
final class BaseVocabulary {
    private final byte[][] tokens;
    private final TokenType[] types;

    /** @param rows rows of the embedding; rows without a token are padding */
    BaseVocabulary(TokenizerJson json, OptionalLong rows) {
        SequencedMap<String, Integer> all = json.all();
        long count = rows.orElse(all.size());
        if (count > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    json.file(),
                    "expected an embedding of at most " + ModelOutline.MOST_PIECES + " rows, found " + count);
        }
        tokens = new byte[(int) count][];
        types = new TokenType[tokens.length];
        all.forEach((text, id) -> {
            if (id >= tokens.length) {
                throw InputException.of(
                        json.file(),
                        "expected ids below " + tokens.length + ", the rows of the embedding, found " + id);
            }
            set(id, text, TokenType.NORMAL);
        });
        boolean decodesBytes = decodesBytes(json);
        Map<Integer, TokenizerJson.AddedToken> added = new TreeMap<>();
        json.added().forEach(token -> added.put(token.id(), token));
        added.forEach((id, token) -> {
            String text = token.normalized() || !decodesBytes ? token.content() : decoded(token.content());
            if (token.special() || looksSpecial(text)) {
                set(id, text, TokenType.CONTROL);
            } else {
                // User-defined tokens are looked for in the text as it is.
                set(id, text.replace('\u2581', ' '), TokenType.USER_DEFINED);
            }
        });
        for (int id = 0; id < tokens.length; id++) {
            if (types[id] == null) {
                set(id, "[PAD" + id + "]", TokenType.UNUSED);
            }
        }
    }

    private void set(int id, String text, TokenType type) {
        tokens[id] = text.getBytes(StandardCharsets.UTF_8);
        types[id] = type;
    }

    private static boolean decodesBytes(TokenizerJson json) {
        var decoder = json.steps().path("decoder");
        if (decoder.path("type").asString("").equals("ByteLevel")) {
            return true;
        }
        for (var one : decoder.path("decoders")) {
            if (one.path("type").asString("").equals("ByteLevel")) {
                return true;
            }
        }
        return false;
    }

    /** A token's text after it was encoded and decoded: characters that spell bytes become those. */
    private static String decoded(String content) {
        byte[] bytes = ByteAlphabet.bytes(content.getBytes(StandardCharsets.UTF_8));
        return bytes == null ? content : new String(bytes, StandardCharsets.UTF_8);
    }

    Vocabulary vocabulary(String pre, GgufMetadata settings) {
        return new Vocabulary(TokenizerModel.BYTE_PAIR, Optional.of(pre), tokens, new float[0], types, settings);
    }

    byte[][] tokens() {
        return tokens;
    }

    TokenType[] types() {
        return types;
    }

    int size() {
        return tokens.length;
    }

    static GgufValue merges(List<MergesReader.Merge> merges) {
        List<byte[]> spelled = new ArrayList<>(merges.size());
        merges.forEach(merge -> spelled.add(merge.spelled().getBytes(StandardCharsets.UTF_8)));
        return new GgufValue.Texts(spelled.toArray(byte[][]::new));
    }

    /** Tokens that models should have marked as special and some have not (TextModel.does_token_look_special). */
    static boolean looksSpecial(String token) {
        return List.of("<pad>", "<mask>", "<2mass>", "[@BOS@]").contains(token)
                || token.startsWith("<|") && token.endsWith("|>")
                || token.startsWith("<\uFF5C") && token.endsWith("\uFF5C>")
                || token.startsWith("<unused") && token.endsWith(">");
    }
}
