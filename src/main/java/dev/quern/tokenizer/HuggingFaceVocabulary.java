package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/**
 * The vocabulary of a Hugging Face LLaMA directory with a tokenizer.model, key for key as convert_hf_to_gguf.py of May
 * 2026 writes it (LlamaModel.set_vocab).
 */
public final class HuggingFaceVocabulary {
    /** CodeLlama's vocabulary; its infill and end-of-turn tokens are known by their ids. */
    private static final int CODE_LLAMA = 32016;

    private static final int CODE_LLAMA_END_OF_TURN = 32010;

    /** The vocabulary of the small Granite models, which want no BOS. */
    private static final int GRANITE = 49152;

    private HuggingFaceVocabulary() {}

    /**
     * @param rows config.json's {@code vocab_size}: rows of the embedding. Tokens that the files do not name are padding;
     *     without it there are as many as the tokenizer has
     * @param notices is told, in one line each, what was left out or will not be done
     * @throws InputException when a file is damaged, the tokenizer has more pieces than the embedding has rows, or the
     *     directory has no tokenizer.model
     */
    public static Vocabulary read(Path directory, OptionalLong rows, Consumer<String> notices) {
        Path file = directory.resolve("tokenizer.model");
        if (!Files.exists(file)) {
            throw withoutModel(directory);
        }
        HuggingFaceFiles files = HuggingFaceFiles.in(directory);
        SentencePieceModel model = SentencePieceModel.read(file);
        model.notices().forEach(notice -> notices.accept(file + ": " + notice));
        long count = rows.orElse(model.size());
        TokenRows tokens = new TokenRows(file, model, count == 0 ? model.size() : count);
        addTokens(files, tokens, notices);
        decodeAddedTokens(files, tokens, notices);
        return tokens.vocabulary(settings(files, tokens.size(), notices));
    }

    private static GgufMetadata settings(HuggingFaceFiles files, int size, Consumer<String> notices) {
        GgufMetadata settings = new GgufMetadata();
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, size, notices).writeTo(settings);
        if (size == CODE_LLAMA) {
            // The peer looks for prefix, suffix and middle too, but has no keys to write them to. What there is to be
            // noticed has been.
            var code = new SpecialVocabulary(files, List.of("prefix", "suffix", "middle", "eot"), size, notice -> {});
            code.assume(SpecialToken.END_OF_TURN.word(), CODE_LLAMA_END_OF_TURN);
            code.writeTo(settings);
        }
        JsonNode prefix = files.tokenizerConfig().path("add_prefix_space");
        if (prefix.isBoolean()) {
            settings.put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(prefix.booleanValue()));
        } else if (!prefix.isMissingNode() && !prefix.isNull()) {
            // The converter of May 2026 writes false for null; later ones leave it out, as is done here.
            throw InputException.expected(
                    files.directory().resolve("tokenizer_config.json"),
                    "add_prefix_space",
                    "true or false",
                    JsonFile.found(prefix));
        }
        if (size == GRANITE) {
            settings.put(Vocabulary.ADD_BOS, GgufValue.bool(false));
        }
        return settings;
    }

    /** added_tokens.json: texts to ids. */
    private static void addTokens(HuggingFaceFiles files, TokenRows tokens, Consumer<String> notices) {
        Path file = files.directory().resolve("added_tokens.json");
        for (Map.Entry<String, JsonNode> entry : files.addedTokens().properties()) {
            JsonNode id = entry.getValue();
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw InputException.expected(
                        file, Quoted.of(entry.getKey()), "an id from 0 to 2147483647", JsonFile.found(id));
            }
            if (isInside(file, id.intValue(), tokens, notices)) {
                tokens.add(id.intValue(), text(file, entry.getKey()), TokenType.USER_DEFINED);
            }
        }
    }

    /** tokenizer_config.json's added_tokens_decoder: ids to texts. */
    private static void decodeAddedTokens(HuggingFaceFiles files, TokenRows tokens, Consumer<String> notices) {
        Path file = files.directory().resolve("tokenizer_config.json");
        for (Map.Entry<String, JsonNode> entry :
                files.tokenizerConfig().path("added_tokens_decoder").properties()) {
            int id = id(file, entry.getKey());
            JsonNode content = entry.getValue().path("content");
            if (!content.isString()) {
                throw InputException.expected(
                        file, "added_tokens_decoder: " + id + ": content", "a string", JsonFile.found(content));
            }
            if (!isInside(file, id, tokens, notices)) {
                continue;
            }
            String token = text(file, content.stringValue());
            if (entry.getValue().path("special").asBoolean(false) || looksSpecial(token)) {
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

    private static boolean isInside(Path file, int id, TokenRows tokens, Consumer<String> notices) {
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

    /** Tokens that models should have marked as special and some have not (TextModel.does_token_look_special). */
    private static boolean looksSpecial(String token) {
        return List.of("<pad>", "<mask>", "<2mass>", "[@BOS@]").contains(token)
                || token.startsWith("<|") && token.endsWith("|>")
                || token.startsWith("<\uFF5C") && token.endsWith("\uFF5C>")
                || token.startsWith("<unused") && token.endsWith(">");
    }

    private static InputException withoutModel(Path directory) {
        for (String other : List.of("tokenizer.json", "tekken.json", "vocab.json", "vocab.txt")) {
            if (Files.exists(directory.resolve(other))) {
                return InputException.of(directory, "expected tokenizer.model (SentencePiece), found only " + other)
                        .withHint("Vocabularies of tokenizer.json alone, such as Llama 3's, are not read yet.");
            }
        }
        return InputException.of(directory, "expected tokenizer.model, found no tokenizer file");
    }
}
