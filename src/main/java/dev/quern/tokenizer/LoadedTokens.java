package dev.quern.tokenizer;

import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * What llama.cpp makes of a vocabulary's tokens when it loads them (llama-vocab.cpp, {@code llama_vocab::impl::load}):
 * their texts pass through C strings, and some names change a token's type whatever the file says.
 */
final class LoadedTokens {
    /** The end of a message: no end of a text, and looked for in text, where {@link #endsMessages}. */
    private static final String END_OF_MESSAGE = "<|end|>";

    /** No end of a text, and an ordinary token whatever its type, beside {@link #TOOL_RESPONSE}: Gemma 4's, HTML's tag. */
    private static final String END_OF_TEXT = "</s>";

    private static final String TOOL_RESPONSE = "<|tool_response>";

    /** Names that end a text: control tokens, so not looked for in text. */
    private static final Set<String> ENDS = Set.of(
            "<|eot_id|>",
            "<|im_end|>",
            END_OF_MESSAGE,
            "<|return|>",
            "<|call|>",
            "<|flush|>",
            "<|calls|>",
            "<end_of_turn>",
            "<|endoftext|>",
            END_OF_TEXT,
            "<|eom_id|>",
            "<EOT>",
            "_<EOT>",
            "[EOT]",
            "[EOS]",
            "<|end_of_text|>",
            "<end_of_utterance>",
            "<eos>",
            "<turn|>",
            TOOL_RESPONSE,
            "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
            "[e~[");

    /**
     * Fill-in-the-middle names by role; in each role one token becomes a control token. Of several llama.cpp takes the
     * one that its hash table happens to list first; here it is the first of these names.
     */
    private static final List<List<String>> INFILL = List.of(
            List.of(
                    "<|fim_prefix|>",
                    "<fim-prefix>",
                    "<fim_prefix>",
                    "<\uFF5Cfim\u2581begin\uFF5C>",
                    "<PRE>",
                    "\u2581<PRE>",
                    "<|code_prefix|>",
                    "<|prefix|>"),
            List.of(
                    "<|fim_suffix|>",
                    "<fim-suffix>",
                    "<fim_suffix>",
                    "<\uFF5Cfim\u2581hole\uFF5C>",
                    "<SUF>",
                    "\u2581<SUF>",
                    "<|code_suffix|>",
                    "<|suffix|>"),
            List.of(
                    "<|fim_middle|>",
                    "<fim-middle>",
                    "<fim_middle>",
                    "<\uFF5Cfim\u2581end\uFF5C>",
                    "<MID>",
                    "\u2581<MID>",
                    "<|code_middle|>",
                    "<|middle|>"),
            List.of("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"),
            List.of("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
            List.of("<|file_sep|>"));

    /** The keys that name a role's token, in the order of {@link #INFILL}; a file that has one settles the role. */
    private static final List<List<String>> INFILL_KEYS = List.of(
            List.of("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"),
            List.of("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"),
            List.of("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"),
            List.of("tokenizer.ggml.fim_pad_token_id"),
            List.of("tokenizer.ggml.fim_rep_token_id"),
            List.of("tokenizer.ggml.fim_sep_token_id"));

    /** Names that are looked for in text whatever their type. */
    private static final Set<String> SHOWN = Set.of("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>");

    /** What stands for a space in tokens. */
    static final byte[] SPACE = "\u2581".getBytes(StandardCharsets.UTF_8);

    private LoadedTokens() {}

    /** The tokens' texts: cut at the first NUL; an empty one gets a name of its own. */
    static byte[][] texts(Vocabulary vocabulary) {
        byte[][] texts = vocabulary.tokens().clone();
        for (int id = 0; id < texts.length; id++) {
            int length = 0;
            while (length < texts[id].length && texts[id][length] != 0) {
                length++;
            }
            if (length == 0) {
                texts[id] = ("[EMPTY_" + id + "]").getBytes(StandardCharsets.UTF_8);
            } else if (length < texts[id].length) {
                texts[id] = Arrays.copyOf(texts[id], length);
            }
        }
        return texts;
    }

    /** @throws InputException when two tokens are the same */
    static TokenTable table(byte[][] texts) {
        TokenTable table = new TokenTable(texts.length);
        for (int id = 0; id < texts.length; id++) {
            int before = table.put(texts[id], id);
            if (before >= 0) {
                throw InputException.of(
                        "vocabulary", "tokens " + before + " and " + id + ": expected different texts, found the same");
            }
        }
        return table;
    }

    /** A token's text with spaces again where it has {@code ▁}. */
    static byte[] unescaped(byte[] token) {
        byte[] out = new byte[token.length];
        int length = 0;
        for (int i = 0; i < token.length; length++) {
            boolean space = i + 3 <= token.length && Arrays.equals(token, i, i + 3, SPACE, 0, 3);
            out[length] = space ? (byte) ' ' : token[i];
            i += space ? 3 : 1;
        }
        return Arrays.copyOf(out, length);
    }

    /** The ids of the tokens that are found in text before anything else. */
    static List<Integer> userDefined(Vocabulary vocabulary, byte[][] texts) {
        Map<String, Integer> named = named(texts);
        List<Integer> candidates = new ArrayList<>();
        for (int id = 0; id < texts.length; id++) {
            String name = new String(texts[id], StandardCharsets.UTF_8);
            if (vocabulary.types()[id] == TokenType.USER_DEFINED && !ENDS.contains(name)
                    || SHOWN.contains(name)
                    || name.equals(END_OF_MESSAGE) && endsMessages(named)) {
                candidates.add(id);
            }
        }
        candidates.removeAll(infill(vocabulary, named));
        return candidates;
    }

    /** The ids of the tokens that are found where text is also searched for control tokens. */
    static List<Integer> special(Vocabulary vocabulary, byte[][] texts) {
        Map<String, Integer> named = named(texts);
        Set<Integer> found = new TreeSet<>(infill(vocabulary, named));
        for (int id = 0; id < texts.length; id++) {
            String name = new String(texts[id], StandardCharsets.UTF_8);
            boolean byType = switch (vocabulary.types()[id]) {
                case CONTROL, UNKNOWN, USER_DEFINED -> true;
                case NORMAL, UNUSED, BYTE, UNDEFINED -> false;
            };
            boolean ordinary = name.equals(END_OF_TEXT) && named.containsKey(TOOL_RESPONSE);
            if (!ordinary && (byType || SHOWN.contains(name) || ENDS.contains(name))) {
                found.add(id);
            }
        }
        return List.copyOf(found);
    }

    /** Whether other tokens end the texts, as gpt-oss's and Solar's do. */
    private static boolean endsMessages(Map<String, Integer> named) {
        return (named.containsKey("<|call|>") || named.containsKey("<|calls|>"))
                && (named.containsKey("<|return|>") || named.containsKey("<|flush|>"));
    }

    private static Map<String, Integer> named(byte[][] texts) {
        Map<String, Integer> named = new HashMap<>();
        for (int id = 0; id < texts.length; id++) {
            named.put(new String(texts[id], StandardCharsets.UTF_8), id);
        }
        return named;
    }

    private static List<Integer> infill(Vocabulary vocabulary, Map<String, Integer> named) {
        List<Integer> found = new ArrayList<>();
        for (int role = 0; role < INFILL.size(); role++) {
            if (INFILL_KEYS.get(role).stream()
                    .noneMatch(key -> vocabulary.settings().get(key).isPresent())) {
                INFILL.get(role).stream()
                        .map(named::get)
                        .filter(Objects::nonNull)
                        .findFirst()
                        .ifPresent(found::add);
            }
        }
        return found;
    }
}
