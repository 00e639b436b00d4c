package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/**
 * XLM-RoBERTa's Unigram vocabulary: sentencepiece.bpe.model, whose pieces fairseq has moved by one, or tokenizer.json,
 * where they stand as the model counts them.
 */
final class XlmRobertaVocabulary {
    private static final float PADDING_SCORE = -10000f;

    /** fairseq's own, which stand before the model's pieces from the fourth on. */
    private static final List<String> FIRST = List.of("<s>", "<pad>", "</s>", "<unk>");

    /** The roles that the tokenizer's class gives where tokenizer_config.json does not. */
    private static final List<String> SPECIAL = List.of("<s>", "</s>", "<unk>", "<pad>", "<mask>");

    private final HuggingFaceFiles files;
    private final Consumer<String> notices;
    private final byte[][] tokens;
    private final float[] scores;
    private final TokenType[] types;

    private XlmRobertaVocabulary(Path file, HuggingFaceFiles files, long size, Consumer<String> notices) {
        if (size > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file, "expected an embedding of at most " + ModelOutline.MOST_PIECES + " rows, found " + size);
        }
        this.files = files;
        this.notices = notices;
        tokens = new byte[(int) size][];
        Arrays.setAll(tokens, id -> ("[PAD" + id + "]").getBytes(StandardCharsets.UTF_8));
        scores = new float[tokens.length];
        Arrays.fill(scores, PADDING_SCORE);
        types = new TokenType[tokens.length];
        Arrays.fill(types, TokenType.UNUSED);
    }

    /** @throws InputException when the file is damaged, or is no Unigram model */
    static Vocabulary read(HuggingFaceFiles files, OptionalLong rows, Consumer<String> notices) {
        Path model = TokenizerFile.XLM_ROBERTA_MODEL.in(files.directory());
        return Files.exists(model) ? ofModel(model, files, rows, notices) : ofJson(files, rows, notices);
    }

    private static Vocabulary ofModel(Path file, HuggingFaceFiles files, OptionalLong rows, Consumer<String> notices) {
        SentencePieceModel model = SentencePieceModel.readUnigram(file);
        model.notices().forEach(notice -> notices.accept(file + ": " + notice));
        XlmRobertaVocabulary read =
                new XlmRobertaVocabulary(file, files, Math.max(model.size(), rows.orElse(0)), notices);
        for (int id = 0; id < model.size(); id++) {
            boolean user = model.types()[id] == TokenType.USER_DEFINED;
            read.set(id, model.pieces()[id], model.scores()[id], user ? TokenType.NORMAL : model.types()[id]);
        }
        read.makeRoom(file);
        return read.vocabulary(model.addDummyPrefix(), model.removesExtraSpaces(), model.characterMap());
    }

    /** Moves all pieces from the fourth on by one and puts fairseq's four before them. */
    private void makeRoom(Path file) {
        int first = FIRST.size();
        if (tokens.length < first) {
            throw InputException.of(file, "expected at least " + first + " pieces, found " + tokens.length);
        }
        int moved = tokens.length - first;
        System.arraycopy(tokens, first - 1, tokens, first, moved);
        System.arraycopy(scores, first - 1, scores, first, moved);
        System.arraycopy(types, first - 1, types, first, moved);
        for (int id = 0; id < first; id++) {
            set(
                    id,
                    FIRST.get(id).getBytes(StandardCharsets.UTF_8),
                    0,
                    id == first - 1 ? TokenType.UNKNOWN : TokenType.CONTROL);
        }
    }

    private static Vocabulary ofJson(HuggingFaceFiles files, OptionalLong rows, Consumer<String> notices) {
        TokenizerJson json = TokenizerJson.read(TokenizerFile.TOKENIZER.in(files.directory()));
        if (!json.kind().equals("Unigram")) {
            throw InputException.expected(json.file(), "model.type", "Unigram", Quoted.of(json.kind()));
        }
        XlmRobertaVocabulary read =
                new XlmRobertaVocabulary(json.file(), files, Math.max(json.scores().length, rows.orElse(0)), notices);
        Set<String> special = read.special();
        Set<String> added = new HashSet<>();
        json.added().forEach(token -> added.add(token.content()));
        JsonNode config = files.tokenizerConfig();
        String unknown = text(config.path("unk_token")).orElse("");
        int unknownId = added.contains(unknown)
                ? json.id(unknown).orElseThrow()
                : json.model().path("unk_id").asInt(3);
        json.vocabulary().forEach((text, id) -> {
            TokenType type = id == unknownId
                    ? TokenType.UNKNOWN
                    : special.contains(text)
                            ? TokenType.CONTROL
                            : added.contains(text) ? TokenType.USER_DEFINED : TokenType.NORMAL;
            read.set(id, text.getBytes(StandardCharsets.UTF_8), json.scores()[id], type);
        });
        return read.vocabulary(
                config.path("add_prefix_space").asBoolean(true),
                config.path("clean_up_tokenization_spaces").asBoolean(false),
                characterMap(json.file(), json.steps().path("normalizer")));
    }

    private Set<String> special() {
        Set<String> special = new HashSet<>(SPECIAL);
        JsonNode config = files.tokenizerConfig();
        for (String role : SpecialVocabulary.ROLES) {
            text(config.path(role + "_token")).ifPresent(special::add);
        }
        for (String list : List.of("additional_special_tokens", "extra_special_tokens")) {
            config.path(list).forEach(one -> text(one).ifPresent(special::add));
        }
        return special;
    }

    private static Optional<String> text(JsonNode token) {
        JsonNode text = token.isString() ? token : token.path("content");
        return text.isString() ? Optional.of(text.stringValue()) : Optional.empty();
    }

    /** The map of the first precompiled normalizer; empty without one. */
    private static byte[] characterMap(Path file, JsonNode normalizer) {
        if (normalizer.path("type").asString("").equals("Sequence")) {
            for (JsonNode one : normalizer.path("normalizers")) {
                byte[] map = characterMap(file, one);
                if (map.length > 0) {
                    return map;
                }
            }
            return new byte[0];
        }
        String map = normalizer.path("precompiled_charsmap").asString("");
        try {
            return Base64.getDecoder().decode(map);
        } catch (IllegalArgumentException e) {
            throw InputException.of(file, "normalizer.precompiled_charsmap", "expected base64: " + e.getMessage())
                    .withCause(e);
        }
    }

    private void set(int id, byte[] token, float score, TokenType type) {
        tokens[id] = token;
        scores[id] = score;
        types[id] = type;
    }

    private Vocabulary vocabulary(boolean addPrefix, boolean removeSpaces, byte[] characterMap) {
        GgufMetadata settings = new GgufMetadata()
                .put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(addPrefix))
                .put(
                        Vocabulary.TOKEN_TYPE_COUNT,
                        GgufValue.u32(files.config().path("type_vocab_size").asLong(1)))
                .put(Vocabulary.REMOVE_EXTRA_WHITESPACES, GgufValue.bool(removeSpaces));
        if (characterMap.length > 0) {
            long[] values = new long[characterMap.length];
            Arrays.setAll(values, i -> characterMap[i] & 0xff);
            settings.put(Vocabulary.CHARACTER_MAP, new GgufValue.Ints(GgufType.UINT8, values));
        }
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.length, notices).writeTo(settings);
        return new Vocabulary(TokenizerModel.UNIGRAM, Optional.of("default"), tokens, scores, types, settings);
    }
}
