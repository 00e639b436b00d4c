package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;

/** Takes a {@link Vocabulary} out of a GGUF file's metadata and refuses what llama.cpp would refuse or trip over. */
final class VocabularyReader {
    /** The keys that are not settings. */
    private static final Set<String> ARRAYS =
            Set.of(Vocabulary.MODEL, Vocabulary.PRE, Vocabulary.TOKENS, Vocabulary.SCORES, Vocabulary.TYPES);

    private final GgufMetadata metadata;
    private final String file;

    VocabularyReader(GgufMetadata metadata, String file) {
        this.metadata = metadata;
        this.file = file;
    }

    Vocabulary read() {
        String name = metadata.text(Vocabulary.MODEL)
                .orElseThrow(() -> refuse(Vocabulary.MODEL, "expected a string, found " + found(Vocabulary.MODEL)));
        TokenizerModel model = TokenizerModel.named(name)
                .orElseThrow(() -> refuse(
                                Vocabulary.MODEL,
                                "expected one of "
                                        + String.join(
                                                ", ",
                                                Arrays.stream(TokenizerModel.values())
                                                        .map(known -> Quoted.of(known.id()))
                                                        .toList())
                                        + ", found " + Quoted.of(name))
                        .withHint("Quern has no tokenizer for this vocabulary; the file can still be quantized."));
        byte[][] tokens = tokens();
        boolean scored = model == TokenizerModel.SENTENCE_PIECE || model == TokenizerModel.UNIGRAM;
        float[] scores = scored ? scores(tokens.length) : unusedScores(tokens.length);
        TokenType[] types = types(tokens);
        if (model == TokenizerModel.BYTE_PAIR) {
            checkMerges();
        }
        GgufMetadata settings = new GgufMetadata();
        boolean modelFirst = metadata.asMap().keySet().stream()
                .filter(key -> key.startsWith("tokenizer."))
                .findFirst()
                .equals(Optional.of(Vocabulary.MODEL));
        metadata.asMap().forEach((key, value) -> {
            if (key.startsWith("tokenizer.") && !(modelFirst && ARRAYS.contains(key))) {
                settings.put(key, value);
            }
        });
        checkSettings(tokens.length);
        return new Vocabulary(model, pre(), tokens, scores, types, settings);
    }

    private void checkMerges() {
        if (!(metadata.get(Vocabulary.MERGES).orElse(null) instanceof GgufValue.Texts texts)) {
            throw refuse(Vocabulary.MERGES, "expected an array of strings, found " + found(Vocabulary.MERGES));
        }
        if (texts.size() > MergesReader.MOST) {
            throw refuse(Vocabulary.MERGES, "expected at most " + MergesReader.MOST + " merges, found " + texts.size());
        }
    }

    private Optional<String> pre() {
        if (metadata.get(Vocabulary.PRE).isPresent()
                && metadata.text(Vocabulary.PRE).isEmpty()) {
            throw refuse(Vocabulary.PRE, "expected a string, found " + found(Vocabulary.PRE));
        }
        return metadata.text(Vocabulary.PRE);
    }

    private byte[][] tokens() {
        if (!(metadata.get(Vocabulary.TOKENS).orElse(null) instanceof GgufValue.Texts texts)) {
            throw refuse(Vocabulary.TOKENS, "expected an array of strings, found " + found(Vocabulary.TOKENS));
        }
        if (texts.size() == 0) {
            throw refuse(Vocabulary.TOKENS, "expected at least one token, found none");
        }
        TokenTable seen = new TokenTable(texts.size());
        for (int id = 0; id < texts.size(); id++) {
            byte[] token = texts.values()[id];
            // llama.cpp numbers empty tokens, so several of them are no duplicates.
            int before = token.length == 0 ? -1 : seen.put(token, id);
            if (before >= 0) {
                throw refuse(
                        Vocabulary.TOKENS,
                        "expected every token once, found " + Quoted.of(texts.text(id)) + " as ids " + before + " and "
                                + id);
            }
        }
        return texts.values();
    }

    /** Of byte pairs and words: there is no need of them, and where the peer writes them they may be INT32. */
    private float[] unusedScores(int count) {
        if (metadata.get(Vocabulary.SCORES).isEmpty()) {
            return new float[0];
        }
        if (metadata.get(Vocabulary.SCORES).orElse(null) instanceof GgufValue.Ints ints
                && ints.element() == GgufType.INT32) {
            checkLength(Vocabulary.SCORES, count, ints.size());
            float[] scores = new float[count];
            for (int id = 0; id < count; id++) {
                scores[id] = ints.values()[id];
            }
            return scores;
        }
        return scores(count);
    }

    private float[] scores(int count) {
        if (!(metadata.get(Vocabulary.SCORES).orElse(null) instanceof GgufValue.Floats floats)) {
            throw refuse(Vocabulary.SCORES, "expected an array of FLOAT32, found " + found(Vocabulary.SCORES));
        }
        checkLength(Vocabulary.SCORES, count, floats.size());
        for (int id = 0; id < count; id++) {
            if (!Float.isFinite(floats.values()[id])) {
                throw refuse(
                        Vocabulary.SCORES,
                        "expected a finite score for token " + id + ", found " + floats.values()[id]);
            }
        }
        return floats.values();
    }

    private TokenType[] types(byte[][] tokens) {
        if (metadata.get(Vocabulary.TYPES).isEmpty()) {
            TokenType[] normal = new TokenType[tokens.length];
            Arrays.fill(normal, TokenType.NORMAL);
            return normal;
        }
        if (!(metadata.get(Vocabulary.TYPES).orElse(null) instanceof GgufValue.Ints ints)
                || ints.element() != GgufType.INT32 && ints.element() != GgufType.UINT32) {
            throw refuse(Vocabulary.TYPES, "expected an array of INT32, found " + found(Vocabulary.TYPES));
        }
        checkLength(Vocabulary.TYPES, tokens.length, ints.size());
        TokenType[] types = new TokenType[tokens.length];
        for (int i = 0; i < types.length; i++) {
            int id = i;
            types[id] = TokenType.fromId(ints.values()[id])
                    .orElseThrow(() -> refuse(
                            Vocabulary.TYPES,
                            "expected a type from 0 to 6 for token " + id + ", found " + ints.values()[id]));
            if (types[id] == TokenType.BYTE && ByteTokens.valueOf(tokens[id]) < 0) {
                throw refuse(
                        Vocabulary.TOKENS,
                        "expected a byte token like <0x0A> as id " + id + ", found "
                                + Quoted.of(new String(tokens[id], StandardCharsets.UTF_8)));
            }
        }
        return types;
    }

    private void checkSettings(int count) {
        for (SpecialToken role : SpecialToken.values()) {
            if (metadata.get(role.key()).isEmpty()) {
                continue;
            }
            long id = metadata.integer(role.key())
                    .orElseThrow(() -> refuse(role.key(), "expected a token id, found " + found(role.key())));
            if (id < 0 || id >= count) {
                throw refuse(role.key(), "expected a token id below " + count + ", found " + id);
            }
        }
        for (String key : new String[] {
            Vocabulary.ADD_BOS,
            Vocabulary.ADD_EOS,
            Vocabulary.ADD_SEP,
            Vocabulary.ADD_SPACE_PREFIX,
            Vocabulary.REMOVE_EXTRA_WHITESPACES,
            Vocabulary.LOWERCASE,
            Vocabulary.STRIP_ACCENTS
        }) {
            if (metadata.get(key).isPresent() && metadata.bool(key).isEmpty()) {
                throw refuse(key, "expected BOOL, found " + found(key));
            }
        }
    }

    private void checkLength(String key, int expected, int found) {
        if (found != expected) {
            throw refuse(key, "expected " + expected + " values, one for each token, found " + found);
        }
    }

    private String found(String key) {
        return metadata.get(key)
                .map(value -> value instanceof GgufValue.Array array
                        ? "an array of " + array.element()
                        : value.type().toString())
                .orElse("nothing");
    }

    private InputException refuse(String key, String problem) {
        return InputException.of(file, key + ": " + problem);
    }
}
