package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;

/**
 * The vocabulary of a Hugging Face directory, key for key as convert_hf_to_gguf.py of September 2026 writes it (the
 * {@code set_vocab} of its model classes).
 */
public final class HuggingFaceVocabulary {
    /** CodeLlama's vocabulary; its infill and end-of-turn tokens are known by their ids. */
    private static final int CODE_LLAMA = 32016;

    private static final int CODE_LLAMA_END_OF_TURN = 32010;

    /** The vocabulary of the small Granite models, which want no BOS. */
    private static final int GRANITE = 49152;

    private final Path directory;
    private final Request request;
    private final Consumer<String> notices;
    private final HuggingFaceFiles files;

    /**
     * @param rows config.json's {@code vocab_size}: rows of the embedding. Tokens that the files do not name are padding;
     *     without it there are as many as the tokenizer has
     * @param preTokenizer the name of the pre-tokenizer, where the user has given one
     */
    public record Request(VocabularyKind kind, OptionalLong rows, Optional<String> preTokenizer) {
        public Request(VocabularyKind kind, OptionalLong rows) {
            this(kind, rows, Optional.empty());
        }
    }

    private HuggingFaceVocabulary(Path directory, Request request, Consumer<String> notices) {
        this.directory = directory;
        this.request = request;
        this.notices = notices;
        files = HuggingFaceFiles.in(directory);
    }

    /** The vocabulary of a LLaMA. */
    public static Vocabulary read(Path directory, OptionalLong rows, Consumer<String> notices) {
        return read(directory, new Request(VocabularyKind.LLAMA, rows), notices);
    }

    /**
     * @param notices is told, in one line each, what was left out or will not be done
     * @throws InputException when a file is damaged, the tokenizer has more pieces than the embedding has rows, the
     *     directory has no file of this kind, or its pre-tokenizer is not recognised
     */
    public static Vocabulary read(Path directory, Request request, Consumer<String> notices) {
        request.preTokenizer().ifPresent(HuggingFaceVocabulary::checkName);
        return new HuggingFaceVocabulary(directory, request, notices).vocabulary();
    }

    private static void checkName(String name) {
        if (PreTokenizer.named(name).isEmpty()) {
            throw InputException.of("--pre-tokenizer", "expected a known name, found " + Quoted.of(name))
                    .withHint("one of "
                            + String.join(
                                    ", ",
                                    PreTokenizer.page().names().stream()
                                            .map(PreTokenizer::name)
                                            .toList()));
        }
    }

    private Vocabulary vocabulary() {
        return switch (request.kind()) {
            case LLAMA -> llama();
            case SENTENCE_PIECE -> sentencePiece();
            case BYTE_LEVEL -> byteLevel();
            case SENTENCE_PIECE_OR_BYTE_LEVEL -> has("tokenizer.model") ? sentencePiece() : byteLevel();
            case BYTE_LEVEL_OR_SENTENCE_PIECE ->
                has("tokenizer.json") || has("vocab.json") ? byteLevel() : sentencePiece();
        };
    }

    private boolean has(String file) {
        return Files.exists(directory.resolve(file));
    }

    private Vocabulary llama() {
        Vocabulary plain = has("tokenizer.model") ? sentencePiece() : byteLevel();
        GgufMetadata settings = plain.settings();
        long size = request.rows().orElse(plain.size());
        if (size == CODE_LLAMA) {
            // The peer looks for prefix, suffix and middle too, but has no keys to write them to. What there is to be
            // noticed has been.
            var code = new SpecialVocabulary(
                    files, List.of("prefix", "suffix", "middle", "eot"), plain.size(), notice -> {});
            code.assume(SpecialToken.END_OF_TURN.word(), CODE_LLAMA_END_OF_TURN);
            code.writeTo(settings);
        }
        JsonNode prefix = files.tokenizerConfig().path("add_prefix_space");
        if (prefix.isBoolean()) {
            // Converters of after May 2026 write this key first; a reader does not mind.
            settings.put(Vocabulary.ADD_SPACE_PREFIX, GgufValue.bool(prefix.booleanValue()));
        } else if (!prefix.isMissingNode() && !prefix.isNull()) {
            throw InputException.expected(
                    directory.resolve("tokenizer_config.json"),
                    "add_prefix_space",
                    "true or false",
                    JsonFile.found(prefix));
        }
        if (size == GRANITE) {
            settings.put(Vocabulary.ADD_BOS, GgufValue.bool(false));
        }
        return plain.with(settings);
    }

    private Vocabulary sentencePiece() {
        Path file = directory.resolve("tokenizer.model");
        if (!Files.exists(file)) {
            throw without("tokenizer.model");
        }
        SentencePieceModel model = SentencePieceModel.read(file);
        model.notices().forEach(notice -> notices.accept(file + ": " + notice));
        long count = request.rows().orElse(model.size());
        TokenRows tokens = new TokenRows(file, model, count == 0 ? model.size() : count);
        addTokens(files, tokens, notices);
        decodeAddedTokens(files, tokens, notices);
        GgufMetadata settings = new GgufMetadata();
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices).writeTo(settings);
        return tokens.vocabulary(settings);
    }

    private Vocabulary byteLevel() {
        Path file = directory.resolve("tokenizer.json");
        if (!Files.exists(file)) {
            throw without(
                    request.kind() == VocabularyKind.BYTE_LEVEL
                            ? "tokenizer.json"
                            : "tokenizer.model or tokenizer.json");
        }
        TokenizerJson json = TokenizerJson.read(file);
        ByteLevelVocabulary tokens = new ByteLevelVocabulary(json, request.rows());
        GgufMetadata settings = new GgufMetadata();
        if (!json.merges().isEmpty()) {
            settings.put(Vocabulary.MERGES, ByteLevelVocabulary.merges(json.merges()));
        }
        new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices).writeTo(settings);
        String pre = request.preTokenizer()
                .orElseGet(() -> new Recognition(json, name -> tokens.vocabulary(name, settings)).name(notices));
        return tokens.vocabulary(pre, settings);
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
    static boolean looksSpecial(String token) {
        return List.of("<pad>", "<mask>", "<2mass>", "[@BOS@]").contains(token)
                || token.startsWith("<|") && token.endsWith("|>")
                || token.startsWith("<\uFF5C") && token.endsWith("\uFF5C>")
                || token.startsWith("<unused") && token.endsWith(">");
    }

    private InputException without(String file) {
        for (String other : List.of(
                "tokenizer.model", "tokenizer.json", "tekken.json", "vocab.json", "vocab.txt", "qwen.tiktoken")) {
            if (has(other)) {
                return InputException.of(directory, "expected " + file + ", found only " + other);
            }
        }
        return InputException.of(directory, "expected " + file + ", found no tokenizer file");
    }
}
