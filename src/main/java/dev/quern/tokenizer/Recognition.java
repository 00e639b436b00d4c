package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import tools.jackson.databind.JsonNode;

/**
 * Finds the name of a tokenizer.json's pre-tokenizer: by the digest of what it makes of a test text, as
 * convert_hf_to_gguf.py does, otherwise by what the file says of its steps, if these are those of a known one. Nothing is
 * guessed.
 */
final class Recognition {
    /** The text of convert_hf_to_gguf.py (get_vocab_base_pre), on which tokenizers differ. */
    static final String TEXT = "\n"
            + " \n\n"
            + " \n\n\n"
            + " \t \t\t \t\n"
            + "  \n"
            + "   \n"
            + "    \n"
            + "     \n"
            + "\ud83d\ude80 (normal) \ud83d\ude36\u200d\ud83c\udf2b\ufe0f (multiple emojis concatenated) \u2705"
            + " \ud83e\udd99\ud83e\udd99 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3"
            + " \u1780\u17b6\u1793\u17cb\u178f\u17c2\u1796\u17b7\u179f\u17c1\u179f\u17a2\u17b6\u1785\ud83d\ude01"
            + " ?\u6211\u60f3\u5728apple\u5de5\u4f5c1314151\u5929\uff5e ------======= \u043d\u0435\u0449\u043e"
            + " \u043d\u0430 \u0411\u044a\u043b\u0433\u0430\u0440\u0441\u043a\u0438"
            + " ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? 'M not sure I'll"
            + " make it, 'D you like some tea? We'Ve a'lL";

    private static final String HINT = "name the pre-tokenizer with --pre-tokenizer NAME";

    private final TokenizerJson json;
    private final Function<String, Vocabulary> vocabulary;

    /** @param vocabulary the vocabulary with a pre-tokenizer of this name */
    Recognition(TokenizerJson json, Function<String, Vocabulary> vocabulary) {
        this.json = json;
        this.vocabulary = vocabulary;
    }

    /** @throws InputException when the pre-tokenizer is not recognised; it says what was found and which are alike */
    String name(Consumer<String> notices) {
        List<String> steps = steps(json);
        HuggingFaceTokenizer theirs;
        try {
            theirs = new HuggingFaceTokenizer(json);
        } catch (InputException e) {
            throw InputException.of(json.file(), "the pre-tokenizer is not recognised: " + e.getMessage())
                    .withHint(HINT)
                    .withCause(e);
        }
        int[] ids = theirs.encode(TEXT, false);
        Optional<String> known = byDigest(theirs.encode(TEXT, true))
                .or(() -> beginning().flatMap(bos -> byDigest(begun(bos, ids))))
                .or(() -> byDigest(ids));
        if (known.isPresent()) {
            return known.get();
        }
        List<String> alike = alike(ids);
        boolean whole = json.model().path("ignore_merges").asBoolean(false);
        for (PreTokenizer.Recognised one : PreTokenizer.page().recognised()) {
            if (one.steps().equals(steps) && (one.ignoreMerges() == null || one.ignoreMerges() == whole)) {
                notices.accept(json.file() + ": the pre-tokenizer is " + one.name() + " by what the file says ("
                        + String.join(", ", steps) + "); no model with this vocabulary is known"
                        + (alike.contains(one.name())
                                ? ""
                                : "; llama.cpp cuts some text otherwise than the file says, as for every "
                                        + one.name()));
                return one.name();
            }
        }
        throw InputException.of(
                        json.file(),
                        "the pre-tokenizer is not recognised: found " + String.join(", ", steps)
                                + (alike.isEmpty()
                                        ? "; no known one gives the same tokens on a test text"
                                        : "; these give the same tokens on a test text: " + String.join(", ", alike)))
                .withHint(HINT);
    }

    /** The token that tokenizer_config.json puts before a text, where tokenizer.json does not say so. */
    private Optional<Integer> beginning() {
        Vocabulary any = vocabulary.apply(PreTokenizer.DEFAULT);
        return any.addsBos() && any.special(SpecialToken.BOS).isPresent()
                ? Optional.of(any.special(SpecialToken.BOS).getAsInt())
                : Optional.empty();
    }

    private static int[] begun(int bos, int[] ids) {
        int[] all = new int[ids.length + 1];
        all[0] = bos;
        System.arraycopy(ids, 0, all, 1, ids.length);
        return all;
    }

    /**
     * The name of a WordPiece tokenizer. No reader goes by it, as there is one way to cut for all of them; what the peer
     * does not know by its digest is "default".
     */
    String wordPiece() {
        return byDigest(new HuggingFaceTokenizer(json).encode(TEXT, true)).orElse(PreTokenizer.DEFAULT);
    }

    /** The names whose tokens are these. */
    private List<String> alike(int[] ids) {
        List<String> alike = new ArrayList<>();
        for (PreTokenizer one : PreTokenizer.page().names()) {
            if (one.split() != null) {
                Tokenizer ours = new BytePairTokenizer(vocabulary.apply(one.name()));
                if (Arrays.equals(ours.encode(TEXT, false), ids)) {
                    alike.add(one.name());
                }
            }
        }
        return alike;
    }

    private static Optional<String> byDigest(int[] ids) {
        String digest = digest(ids);
        return PreTokenizer.page().names().stream()
                .filter(one -> one.digests() != null && one.digests().contains(digest))
                .map(PreTokenizer::name)
                .findFirst();
    }

    /** SHA-256 of the ids as Python prints a list of them. */
    static String digest(int[] ids) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256")
                            .digest(Arrays.toString(ids).getBytes(StandardCharsets.US_ASCII)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * What the file says of cutting text into words, one line for each step. NFC is left out: GGUF has no place for it,
     * and text that is not in that form is rare.
     */
    static List<String> steps(TokenizerJson json) {
        List<String> steps = new ArrayList<>();
        normalizers(json.steps().path("normalizer"), steps);
        preTokenizers(json.steps().path("pre_tokenizer"), steps);
        return steps;
    }

    private static void normalizers(JsonNode node, List<String> steps) {
        String type = node.path("type").asString("");
        if (type.equals("Sequence")) {
            node.path("normalizers").forEach(one -> normalizers(one, steps));
        } else if (!type.isEmpty() && !type.equals("NFC")) {
            steps.add(type);
        }
    }

    private static void preTokenizers(JsonNode node, List<String> steps) {
        String type = node.path("type").asString("");
        switch (type) {
            case "Sequence" -> node.path("pretokenizers").forEach(one -> preTokenizers(one, steps));
            case "Split" -> {
                JsonNode regex = node.path("pattern").path("Regex");
                String behavior = node.path("behavior").asString("");
                boolean inverted = node.path("invert").asBoolean(false);
                boolean isolates = behavior.equals("Isolated") || behavior.equals("Removed") && inverted;
                String pattern = regex.isString()
                        ? regex.stringValue().replace("\r", "\\r").replace("\n", "\\n")
                        : Quoted.of(node.path("pattern").path("String").asString(""));
                steps.add("Split " + pattern + (isolates ? "" : " " + behavior));
            }
            case "ByteLevel" ->
                steps.add("ByteLevel" + (node.path("use_regex").asBoolean(true) ? " words" : "")
                        + (node.path("add_prefix_space").asBoolean(true) ? " with a space before" : ""));
            case "Digits" ->
                steps.add("Digits" + (node.path("individual_digits").asBoolean(false) ? " single" : ""));
            case "Punctuation" ->
                steps.add("Punctuation " + node.path("behavior").asString("Isolated"));
            case "" -> {
                // None.
            }
            default -> steps.add(type);
        }
    }
}
