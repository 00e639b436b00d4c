package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tokenizer files of before tokenizer.json, put together as one: vocab.json, merges.txt and added_tokens.json, or
 * vocab.txt. What they do not say, the tokenizer's class in tokenizer_config.json does.
 */
final class OlderFiles {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** Qwen2's pattern, as its class has it. */
    private static final String QWEN2 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private OlderFiles() {}

    static TokenizerJson read(HuggingFaceFiles files) {
        Path words = TokenizerFile.WORDS.in(files.directory());
        return TokenizerFile.WORDS.isIn(files.directory()) ? wordPiece(words, files) : bytePair(files);
    }

    private static TokenizerJson bytePair(HuggingFaceFiles files) {
        Path file = TokenizerFile.VOCABULARY.in(files.directory());
        SequencedMap<String, Integer> vocabulary = new LinkedHashMap<>();
        TokenizerJson.numbered(file, "vocab", JsonFile.read(file), vocabulary);
        List<MergesReader.Merge> merges =
                MergesReader.read(TokenizerFile.MERGES.in(files.directory()), vocabulary::containsKey);
        String name = files.tokenizerConfig().path("tokenizer_class").asString("GPT2Tokenizer");
        ObjectNode steps = NODES.objectNode();
        switch (name.replace("Fast", "")) {
            case "GPT2Tokenizer", "CodeGenTokenizer" -> steps.set("pre_tokenizer", byteLevel(files, true));
            case "Qwen2Tokenizer" -> {
                steps.putObject("normalizer").put("type", "NFC");
                ObjectNode split = NODES.objectNode().put("type", "Split").put("behavior", "Isolated");
                split.putObject("pattern").put("Regex", QWEN2);
                ObjectNode all = steps.putObject("pre_tokenizer").put("type", "Sequence");
                all.putArray("pretokenizers").add(split).add(byteLevel(files, false));
            }
            default ->
                throw InputException.of(
                                TokenizerFile.TOKENIZER_CONFIG.in(files.directory()),
                                "tokenizer_class: how " + Quoted.of(name)
                                        + " cuts text is not known, and there is no tokenizer.json")
                        .withHint(
                                "write one with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)");
        }
        steps.putObject("decoder").put("type", "ByteLevel");
        return new TokenizerJson(
                file,
                "BPE",
                vocabulary,
                new float[0],
                merges,
                NODES.objectNode(),
                steps,
                added(files, vocabulary, "<|endoftext|>"));
    }

    private static ObjectNode byteLevel(HuggingFaceFiles files, boolean cuts) {
        return NODES.objectNode()
                .put("type", "ByteLevel")
                .put(
                        "add_prefix_space",
                        files.tokenizerConfig().path("add_prefix_space").asBoolean(false))
                .put("use_regex", cuts);
    }

    private static TokenizerJson wordPiece(Path file, HuggingFaceFiles files) {
        SequencedMap<String, Integer> vocabulary = new LinkedHashMap<>();
        List<String> lines =
                HuggingFaceFiles.text(file, (int) JsonFile.LARGEST).lines().toList();
        if (lines.isEmpty() || lines.size() > ModelOutline.MOST_PIECES) {
            throw InputException.of(
                    file, "expected 1 to " + ModelOutline.MOST_PIECES + " tokens, found " + lines.size());
        }
        for (int id = 0; id < lines.size(); id++) {
            Integer before = vocabulary.putIfAbsent(lines.get(id), id);
            if (before != null) {
                throw InputException.expected(
                        file,
                        "line " + (id + 1),
                        "a token that is not there yet",
                        Quoted.of(lines.get(id)) + ", as in line " + (before + 1));
            }
        }
        JsonNode config = files.tokenizerConfig();
        ObjectNode steps = NODES.objectNode();
        ObjectNode normalizer = steps.putObject("normalizer")
                .put("type", "BertNormalizer")
                .put("clean_text", true)
                .put(
                        "handle_chinese_chars",
                        config.path("tokenize_chinese_chars").asBoolean(true))
                .put("lowercase", config.path("do_lower_case").asBoolean(true));
        normalizer.set("strip_accents", config.path("strip_accents"));
        steps.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
        List<TokenizerJson.AddedToken> added = added(files, vocabulary, "");
        ObjectNode around = NODES.objectNode().put("type", "BertProcessing");
        for (String role : List.of("unk", "sep", "pad", "cls", "mask")) {
            String text = config.path(role + "_token").asString("[" + role.toUpperCase(java.util.Locale.ROOT) + "]");
            Integer id = vocabulary.get(text);
            if (id != null) {
                around.putArray(role).add(text).add(id);
            }
            if (id != null && added.stream().noneMatch(token -> token.content().equals(text))) {
                added.add(new TokenizerJson.AddedToken(id, text, true, false, false, false, false));
            }
        }
        if (around.has("cls") && around.has("sep")) {
            steps.set("post_processor", around);
        }
        ObjectNode model = NODES.objectNode()
                .put("unk_token", config.path("unk_token").asString("[UNK]"))
                .put("continuing_subword_prefix", "##")
                .put("max_input_chars_per_word", 100);
        return new TokenizerJson(file, "WordPiece", vocabulary, new float[0], List.of(), model, steps, added);
    }

    /** @param assumed the token that has the roles of which the files say nothing; empty for none */
    private static List<TokenizerJson.AddedToken> added(
            HuggingFaceFiles files, Map<String, Integer> vocabulary, String assumed) {
        List<TokenizerJson.AddedToken> added = new ArrayList<>();
        JsonNode decoder = files.tokenizerConfig().path("added_tokens_decoder");
        Path config = TokenizerFile.TOKENIZER_CONFIG.in(files.directory());
        for (Map.Entry<String, JsonNode> entry : decoder.properties()) {
            String text = entry.getValue().path("content").asString("");
            if (!entry.getKey().matches("[0-9]{1,9}") || text.isEmpty()) {
                throw InputException.expected(
                        config, "added_tokens_decoder", "ids and texts", Quoted.of(entry.getKey()));
            }
            boolean special = entry.getValue().path("special").asBoolean(false);
            added.add(token(Integer.parseInt(entry.getKey()), text, special));
        }
        for (Map.Entry<String, JsonNode> entry : files.addedTokens().properties()) {
            JsonNode id = entry.getValue();
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
                throw InputException.expected(
                        TokenizerFile.ADDED_TOKENS.in(files.directory()),
                        Quoted.of(entry.getKey()),
                        "an id from 0 to 2147483647",
                        JsonFile.found(id));
            }
            if (added.stream().noneMatch(token -> token.content().equals(entry.getKey()))) {
                added.add(token(id.intValue(), entry.getKey(), false));
            }
        }
        for (String role : List.of("bos", "eos", "unk")) {
            JsonNode entry = files.tokenizerConfig().path(role + "_token");
            String text =
                    entry.isMissingNode() ? assumed : (entry.isString() ? entry : entry.path("content")).asString("");
            Integer id = vocabulary.get(text);
            if (id != null && added.stream().noneMatch(token -> token.content().equals(text))) {
                added.add(token(id, text, true));
            }
        }
        return added;
    }

    private static TokenizerJson.AddedToken token(int id, String text, boolean special) {
        return new TokenizerJson.AddedToken(id, text, special, false, false, false, !special);
    }
}
