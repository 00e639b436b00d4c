package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/**
 * Vocabularies whose tokens stand in a SentencePiece model file, tokenizer.model or spiece.model, with the tokens that
 * Hugging Face's files add to them.
 */
final class SentencePieceVocabularies {
    private static final List<String> CHATGLM_FIRST = List.of("<unk>", "<bos>", "<eos>");
    private static final List<String> CHATGLM_SPECIAL = List.of(
            "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>");

    private final HuggingFaceFiles files;
    private final Path directory;
    private final OptionalLong rows;
    private final Consumer<String> notices;

    /** @param rows rows of the embedding; without it there are as many as the model has pieces */
    SentencePieceVocabularies(HuggingFaceFiles files, OptionalLong rows, Consumer<String> notices) {
        this.files = files;
        directory = files.directory();
        this.rows = rows;
        this.notices = notices;
    }

    /** @param phi whether added tokens are taken as they are, and tokenizer.json's too */
    Vocabulary sentencePiece(boolean phi) {
        Path file = TokenizerFile.TOKENIZER_MODEL.in(directory);
        TokenRows tokens = rows(file, SentencePieceModel.read(file));
        addTokens(tokens);
        if (phi) {
            add(addedRows(tokens), tokens);
        } else {
            decodeAddedTokens(tokens);
        }
        GgufMetadata settings = new GgufMetadata();
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices).writeTo(settings);
        return tokens.vocabulary(settings);
    }

    private TokenRows rows(Path file, SentencePieceModel model) {
        model.notices().forEach(notice -> notices.accept(file + ": " + notice));
        long count = rows.orElse(model.size());
        return new TokenRows(file, model, count == 0 ? model.size() : count);
    }

    private static void add(List<AddedRow> added, TokenRows tokens) {
        for (AddedRow row : added) {
            tokens.add(row.id, row.text, row.special ? TokenType.CONTROL : TokenType.USER_DEFINED);
        }
    }

    private record AddedRow(int id, String text, boolean special) {}

    /** tokenizer_config.json's added tokens and tokenizer.json's, in this order. */
    private List<AddedRow> addedRows(TokenRows tokens) {
        List<AddedRow> added = new ArrayList<>();
        Path config = TokenizerFile.TOKENIZER_CONFIG.in(directory);
        for (Map.Entry<String, JsonNode> entry :
                files.tokenizerConfig().path("added_tokens_decoder").properties()) {
            addRow(config, id(config, entry.getKey()), entry.getValue(), tokens, added);
        }
        Path other = TokenizerFile.TOKENIZER.in(directory);
        for (JsonNode one : files.tokenizer().path("added_tokens")) {
            if (!one.path("id").isIntegralNumber() || one.path("id").asLong(-1) < 0) {
                throw InputException.expected(other, "added_tokens: id", "a token id", JsonFile.found(one.path("id")));
            }
            addRow(other, (int) Math.min(one.path("id").longValue(), Integer.MAX_VALUE), one, tokens, added);
        }
        return added;
    }

    private void addRow(Path file, int id, JsonNode token, TokenRows tokens, List<AddedRow> added) {
        JsonNode content = token.path("content");
        if (!content.isString()) {
            throw InputException.expected(file, "added token " + id + ": content", "a string", JsonFile.found(content));
        }
        if (isInside(file, id, tokens)) {
            added.add(new AddedRow(
                    id, text(file, content.stringValue()), token.path("special").asBoolean(false)));
        }
    }

    /** InternLM2's: its NUL is written as another character, and a chat model ends its turns, not its texts. */
    Vocabulary internLm() {
        Path file = TokenizerFile.TOKENIZER_MODEL.in(directory);
        SentencePieceModel model = SentencePieceModel.read(file);
        TokenRows tokens = rows(file, model);
        for (int id = 0; id < tokens.size(); id++) {
            if (tokens.type(id) == TokenType.NORMAL && tokens.begins(id, "[UNUSED")) {
                tokens.set(id, TokenType.UNUSED);
            }
        }
        addTokens(tokens);
        OptionalInt chatEnd = OptionalInt.empty();
        List<AddedRow> added = addedRows(tokens);
        add(added, tokens);
        for (AddedRow row : added) {
            if (row.text.equals("<|im_end|>")) {
                chatEnd = OptionalInt.of(row.id);
            }
        }
        GgufMetadata settings =
                new GgufMetadata().put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(model.addDummyPrefix()));
        SpecialVocabulary special = new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices);
        chatEnd.ifPresent(id -> special.replace(SpecialToken.EOS.word(), id));
        special.writeTo(settings);
        return tokens.vocabulary(settings);
    }

    /**
     * ChatGLM3's: the tokens of its roles and prompts have no piece, they follow the model's last. Its code does not say
     * what the first three are called, so the peer does.
     */
    Vocabulary chatGlm() {
        Path file = TokenizerFile.TOKENIZER_MODEL.in(directory);
        SentencePieceModel model = SentencePieceModel.read(file);
        TokenRows tokens = rows(file, model);
        if (tokens.size() < model.size() + CHATGLM_SPECIAL.size()) {
            throw InputException.of(
                    file,
                    "expected at most " + (tokens.size() - CHATGLM_SPECIAL.size()) + " pieces, the rows of the"
                            + " embedding without the special tokens, found " + model.size());
        }
        for (int id = 0; id < CHATGLM_FIRST.size(); id++) {
            tokens.rename(id, CHATGLM_FIRST.get(id));
        }
        for (int id = model.size(); id < tokens.size(); id++) {
            int special = id - model.size();
            if (special < CHATGLM_SPECIAL.size()) {
                tokens.rename(id, CHATGLM_SPECIAL.get(special));
                tokens.set(id, TokenType.CONTROL);
            }
            tokens.set(id, 0);
        }
        GgufMetadata settings = new GgufMetadata();
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices).writeTo(settings);
        Vocabulary plain = tokens.vocabulary(settings);
        return new Vocabulary(
                plain.model(), Optional.of("chatglm-spm"), plain.tokens(), plain.scores(), plain.types(), settings);
    }

    /** T5's, from either file. */
    Vocabulary unigram() {
        Path file = TokenizerFile.TOKENIZER_MODEL.in(directory);
        if (!Files.exists(file)) {
            file = TokenizerFile.SPIECE_MODEL.in(directory);
        }
        SentencePieceModel model = SentencePieceModel.readUnigram(file);
        TokenRows tokens = rows(file, model);
        addTokens(tokens);
        GgufMetadata settings = new GgufMetadata()
                .put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(model.addDummyPrefix()))
                .put(Vocabulary.REMOVE_EXTRA_WHITESPACES, GgufValue.bool(model.removesExtraSpaces()));
        if (model.characterMap().length > 0) {
            settings.put(Vocabulary.CHARACTER_MAP, unsigned(model.characterMap()));
        }
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices).writeTo(settings);
        return tokens.vocabulary(TokenizerModel.UNIGRAM, settings);
    }

    private static GgufValue unsigned(byte[] bytes) {
        long[] values = new long[bytes.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes[i] & 0xff;
        }
        return new GgufValue.Ints(GgufType.UINT8, values);
    }

    /** added_tokens.json: texts to ids. */
    private void addTokens(TokenRows tokens) {
        Path file = TokenizerFile.ADDED_TOKENS.in(directory);
        for (Map.Entry<String, JsonNode> entry : files.addedTokens().properties()) {
            JsonNode id = entry.getValue();
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw InputException.expected(
                        file, Quoted.of(entry.getKey()), "an id from 0 to 2147483647", JsonFile.found(id));
            }
            if (isInside(file, id.intValue(), tokens)) {
                tokens.add(id.intValue(), text(file, entry.getKey()), TokenType.USER_DEFINED);
            }
        }
    }

    /** tokenizer_config.json's added_tokens_decoder: ids to texts. */
    private void decodeAddedTokens(TokenRows tokens) {
        Path file = TokenizerFile.TOKENIZER_CONFIG.in(directory);
        for (Map.Entry<String, JsonNode> entry :
                files.tokenizerConfig().path("added_tokens_decoder").properties()) {
            int id = id(file, entry.getKey());
            JsonNode content = entry.getValue().path("content");
            if (!content.isString()) {
                throw InputException.expected(
                        file, "added_tokens_decoder: " + id + ": content", "a string", JsonFile.found(content));
            }
            if (!isInside(file, id, tokens)) {
                continue;
            }
            String token = text(file, content.stringValue());
            if (entry.getValue().path("special").asBoolean(false) || BaseVocabulary.looksSpecial(token)) {
                tokens.add(id, token, TokenType.CONTROL);
            } else {
                // User-defined tokens are looked for in the text as it is, before its spaces become U+2581.
                tokens.add(id, token.replace('\u2581', ' '), TokenType.USER_DEFINED);
            }
        }
    }

    private static int id(Path file, String key) {
        if (!key.matches("[0-9]{1,9}")) {
            throw InputException.expected(file, "added_tokens_decoder", "an id", Quoted.of(key));
        }
        return Integer.parseInt(key);
    }

    private boolean isInside(Path file, int id, TokenRows tokens) {
        if (id < tokens.size()) {
            return true;
        }
        notices.accept(file + ": added token " + id + " is left out, the embedding has " + tokens.size() + " rows");
        return false;
    }

    private static String text(Path file, String token) {
        if (token.isEmpty()) {
            throw InputException.expected(file, "token " + Quoted.of(token), "at least one byte", "none");
        }
        if (token.indexOf(0) >= 0) {
            throw InputException.of(
                    file, "token " + Quoted.of(token), "expected no NUL, at which llama.cpp would cut it");
        }
        return token;
    }
}
