package dev.quern.tokenizer;

import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufType;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Vocabularies that are written as {@link TokenRanks}: tekken.json, qwen.tiktoken, Llama 3's tokenizer.model. */
final class RankedVocabularies {
    /** The special tokens of tekken.json files that do not list their own (mistral-common). */
    private static final List<String> TEKKEN_SPECIAL = List.of(
            "<unk>",
            "<s>",
            "</s>",
            "[INST]",
            "[/INST]",
            "[AVAILABLE_TOOLS]",
            "[/AVAILABLE_TOOLS]",
            "[TOOL_RESULTS]",
            "[/TOOL_RESULTS]",
            "[TOOL_CALLS]",
            "[IMG]",
            "<pad>",
            "[IMG_BREAK]",
            "[IMG_END]",
            "[PREFIX]",
            "[MIDDLE]",
            "[SUFFIX]",
            "[SYSTEM_PROMPT]",
            "[/SYSTEM_PROMPT]",
            "[TOOL_CONTENT]");

    /** Llama 3's special tokens by their place behind the ranks; the others are reserved (llama3/tokenizer.py). */
    private static final List<String> LLAMA_SPECIAL = List.of(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|reserved_special_token_0|>",
            "<|reserved_special_token_1|>",
            "<|reserved_special_token_2|>",
            "<|reserved_special_token_3|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|reserved_special_token_4|>",
            "<|eot_id|>");

    private static final int LLAMA_SPECIAL_COUNT = 256;

    /** The first Qwen's special tokens, and how many more follow them (tokenization_qwen.py). */
    private static final List<String> QWEN_SPECIAL = List.of("<|endoftext|>", "<|im_start|>", "<|im_end|>");

    private static final int QWEN_EXTRA = 205;

    private RankedVocabularies() {}

    /** As the peer writes it for Mistral's format: the ids stand before the tokens, and all scores are 0. */
    static Vocabulary tekken(Path directory, Consumer<String> notices) {
        Path file = TokenizerFile.TEKKEN.in(directory);
        ObjectNode json = JsonFile.read(file);
        JsonNode config = json.path("config");
        int size = count(file, config, "default_vocab_size");
        int specials = count(file, config, "default_num_special_tokens");
        if (specials >= size) {
            throw InputException.expected(
                    file, "config.default_num_special_tokens", "fewer than " + size + " tokens", specials);
        }
        TokenRanks ranks = TokenRanks.of(file, json.path("vocab"), size - specials);
        if (ranks.size() < size - specials) {
            throw InputException.expected(file, "vocab", size - specials + " tokens", ranks.size());
        }
        List<String> names = specialNames(file, json.path("special_tokens"), specials);
        List<byte[]> tokens = new ArrayList<>();
        names.forEach(name -> tokens.add(name.getBytes(StandardCharsets.UTF_8)));
        addRanks(ranks, tokens);
        TokenType[] types = types(tokens.size());
        Arrays.fill(types, 0, specials, TokenType.CONTROL);
        int padding = names.indexOf("<pad>");
        GgufMetadata keys = new GgufMetadata()
                .put(Vocabulary.MODEL, GgufValue.text(TokenizerModel.BYTE_PAIR.id()))
                .put(Vocabulary.PRE, GgufValue.text("tekken"))
                .put(Vocabulary.MERGES, BaseVocabulary.merges(ranks.allMerges()))
                .put(SpecialToken.BOS.key(), GgufValue.u32(place(file, names, "<s>")))
                .put(SpecialToken.EOS.key(), GgufValue.u32(place(file, names, "</s>")))
                .put(SpecialToken.UNKNOWN.key(), GgufValue.u32(place(file, names, "<unk>")))
                .put(SpecialToken.PADDING.key(), GgufValue.u32(padding < 0 ? place(file, names, "</s>") : padding));
        float[] scores = new float[tokens.size()];
        long[] typeIds = Arrays.stream(types).mapToLong(TokenType::id).toArray();
        keys.put(Vocabulary.TOKENS, new GgufValue.Texts(tokens.toArray(byte[][]::new)))
                // Whole zeros, which gguf-py takes for INT32; nobody looks at the scores of byte pairs.
                .put(Vocabulary.SCORES, new GgufValue.Ints(GgufType.INT32, new long[scores.length]))
                .put(Vocabulary.TYPES, new GgufValue.Ints(GgufType.INT32, typeIds))
                .put(Vocabulary.ADD_BOS, GgufValue.bool(true))
                .put(Vocabulary.ADD_EOS, GgufValue.bool(false));
        template(directory, config.path("version").asString(""), notices)
                .ifPresent(template -> keys.put(ChatTemplates.KEY, GgufValue.text(template)));
        return new Vocabulary(
                TokenizerModel.BYTE_PAIR, Optional.of("tekken"), tokens.toArray(byte[][]::new), scores, types, keys);
    }

    /** The file's own, otherwise the name under which llama.cpp has one for this version. */
    private static Optional<String> template(Path directory, String version, Consumer<String> notices) {
        Path own = TokenizerFile.CHAT_TEMPLATE.in(directory);
        if (Files.isRegularFile(own)) {
            return Optional.of(HuggingFaceFiles.text(own, ChatTemplates.LARGEST));
        }
        if (version.equals("v3") || version.equals("v7")) {
            return Optional.of("mistral-" + version + "-tekken");
        }
        notices.accept(TokenizerFile.TEKKEN.in(directory) + ": no chat template is written, none is known for version "
                + version);
        return Optional.empty();
    }

    private static int count(Path file, JsonNode config, String key) {
        JsonNode count = config.path(key);
        if (!count.isIntegralNumber()
                || !count.canConvertToInt()
                || count.intValue() < 1
                || count.intValue() > ModelOutline.MOST_PIECES) {
            throw InputException.expected(
                    file, "config." + key, "a number from 1 to " + ModelOutline.MOST_PIECES, JsonFile.found(count));
        }
        return count.intValue();
    }

    private static int place(Path file, List<String> names, String name) {
        int place = names.indexOf(name);
        if (place < 0) {
            throw InputException.of(file, "special_tokens: expected " + name + ", found none");
        }
        return place;
    }

    private static List<String> specialNames(Path file, JsonNode given, int count) {
        List<String> names = new ArrayList<>();
        if (given.isArray()) {
            for (JsonNode one : given) {
                if (one.path("rank").asLong(-1) != names.size()
                        || !one.path("token_str").isString()) {
                    throw InputException.expected(
                            file,
                            "special_tokens[" + names.size() + "]",
                            "rank " + names.size() + " and its text",
                            JsonFile.found(one));
                }
                names.add(one.path("token_str").stringValue());
            }
        } else {
            names.addAll(TEKKEN_SPECIAL);
        }
        if (names.size() > count) {
            throw InputException.expected(file, "special_tokens", "at most " + count, names.size());
        }
        while (names.size() < count) {
            names.add("<SPECIAL_" + names.size() + ">");
        }
        return names;
    }

    /** The first Qwen's vocabulary. */
    static Vocabulary qwen(HuggingFaceFiles files, OptionalLong rows, Consumer<String> notices) {
        Path file = TokenizerFile.QWEN_RANKS.in(files.directory());
        TokenRanks ranks = TokenRanks.read(file);
        List<byte[]> tokens = new ArrayList<>();
        addRanks(ranks, tokens);
        for (String name : QWEN_SPECIAL) {
            tokens.add(name.getBytes(StandardCharsets.UTF_8));
        }
        for (int i = 0; i < QWEN_EXTRA; i++) {
            tokens.add(("<|extra_" + i + "|>").getBytes(StandardCharsets.UTF_8));
        }
        TokenType[] types = padded(file, tokens, ranks.size(), rows);
        SpecialVocabulary special = new SpecialVocabulary(files, SpecialVocabulary.ROLES, tokens.size(), notices);
        int end = ranks.size();
        if (special.isEmpty()) {
            special.assume("bos", end);
            special.assume("eos", end);
        }
        special.assume("unk", end);
        GgufMetadata settings = new GgufMetadata().put(Vocabulary.MERGES, BaseVocabulary.merges(ranks.lastMerges()));
        special.writeTo(settings);
        return vocabulary("qwen2", tokens, types, settings);
    }

    /** Llama 3's, from the tokenizer.model that Meta hands out beside consolidated.00.pth. */
    static Vocabulary llama(Path file, long rows) {
        TokenRanks ranks = TokenRanks.read(file);
        List<byte[]> tokens = new ArrayList<>();
        addRanks(ranks, tokens);
        for (int i = 0; i < LLAMA_SPECIAL_COUNT; i++) {
            String name = i < LLAMA_SPECIAL.size()
                    ? LLAMA_SPECIAL.get(i)
                    : "<|reserved_special_token_" + (i - LLAMA_SPECIAL.size() + 5) + "|>";
            tokens.add(name.getBytes(StandardCharsets.UTF_8));
        }
        TokenType[] types = padded(file, tokens, ranks.size(), OptionalLong.of(rows));
        GgufMetadata settings = new GgufMetadata()
                .put(Vocabulary.MERGES, BaseVocabulary.merges(ranks.allMerges()))
                .put(SpecialToken.BOS.key(), GgufValue.u32(ranks.size()))
                .put(SpecialToken.EOS.key(), GgufValue.u32(ranks.size() + 1L))
                .put(SpecialToken.END_OF_TURN.key(), GgufValue.u32(ranks.size() + 9L));
        return vocabulary("llama-bpe", tokens, types, settings);
    }

    private static Vocabulary vocabulary(String pre, List<byte[]> tokens, TokenType[] types, GgufMetadata settings) {
        return new Vocabulary(
                TokenizerModel.BYTE_PAIR,
                Optional.of(pre),
                tokens.toArray(byte[][]::new),
                new float[0],
                types,
                settings);
    }

    /** Fills up to the rows of the embedding. @return normal up to {@code ranks}, then control, then padding */
    private static TokenType[] padded(Path file, List<byte[]> tokens, int ranks, OptionalLong rows) {
        int given = tokens.size();
        if (rows.isPresent() && rows.getAsLong() < given || rows.orElse(0) > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file,
                    "expected at most " + rows.getAsLong() + " tokens, the rows of the embedding, found " + given);
        }
        while (tokens.size() < rows.orElse(given)) {
            tokens.add(("[PAD" + tokens.size() + "]").getBytes(StandardCharsets.UTF_8));
        }
        TokenType[] types = types(tokens.size());
        Arrays.fill(types, ranks, given, TokenType.CONTROL);
        Arrays.fill(types, given, types.length, TokenType.UNUSED);
        return types;
    }

    private static TokenType[] types(int count) {
        TokenType[] types = new TokenType[count];
        Arrays.fill(types, TokenType.NORMAL);
        return types;
    }

    private static void addRanks(TokenRanks ranks, List<byte[]> tokens) {
        for (int rank = 0; rank < ranks.size(); rank++) {
            tokens.add(ranks.spelled(rank).getBytes(StandardCharsets.UTF_8));
        }
    }
}
