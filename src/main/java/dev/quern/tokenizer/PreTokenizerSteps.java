package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/** The pre-tokenizers of tokenizer.json: how normalized text is cut into the words that the model sees. */
final class PreTokenizerSteps {
    private static final Pattern GPT2 = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern DIGITS = Pattern.compile("\\p{N}+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern DIGIT = Pattern.compile("\\p{N}", Pattern.UNICODE_CHARACTER_CLASS);
    /** Punctuation that Unicode has since its version 9; the tables of Hugging Face's tokenizers are older. */
    private static final String LATER_PUNCTUATION =
            "\\x{61D}\\x{9FD}\\x{A76}\\x{C77}\\x{C84}\\x{1B4E}\\x{1B4F}\\x{1B7D}-\\x{1B7F}"
                    + "\\x{2E43}-\\x{2E4F}\\x{2E52}-\\x{2E5D}\\x{10D6E}\\x{10EAD}\\x{10F55}-\\x{10F59}"
                    + "\\x{10F86}-\\x{10F89}\\x{113D4}\\x{113D5}\\x{113D7}\\x{113D8}\\x{1144B}-\\x{1144F}"
                    + "\\x{1145A}\\x{1145B}\\x{1145D}\\x{11660}-\\x{1166C}\\x{116B9}\\x{1183B}"
                    + "\\x{11944}-\\x{11946}\\x{119E2}\\x{11A3F}-\\x{11A46}\\x{11A9A}-\\x{11A9C}"
                    + "\\x{11A9E}-\\x{11AA2}\\x{11B00}-\\x{11B09}\\x{11BE1}\\x{11C41}-\\x{11C45}\\x{11C70}"
                    + "\\x{11C71}\\x{11EF7}\\x{11EF8}\\x{11F43}-\\x{11F4F}\\x{11FFF}\\x{12FF1}\\x{12FF2}"
                    + "\\x{16D6D}-\\x{16D6F}\\x{16E97}-\\x{16E9A}\\x{16FE2}\\x{1E5FF}\\x{1E95E}\\x{1E95F}";

    private static final Pattern LATER = Pattern.compile("[" + LATER_PUNCTUATION + "]");

    // The last two were punctuation then and are not now.
    private static final Pattern PUNCTUATION = Pattern.compile(
            "[[\\p{P}!-/:-@\\[-`{-~\\x{166D}\\x{111C9}]&&[^" + LATER_PUNCTUATION + "]]",
            Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern WORDS = Pattern.compile("\\w+|[^\\w\\s]+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern SPACES = Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

    private PreTokenizerSteps() {}

    /** Whether a character is punctuation that the tables of Hugging Face's tokenizers are too old to have. */
    static boolean isLaterPunctuation(int c) {
        return LATER.matcher(Character.toString(c)).matches();
    }

    /** @throws InputException when the file asks for one that is not known */
    static Function<String, List<String>> of(Path file, JsonNode node) {
        List<Function<String, List<String>>> steps = new ArrayList<>();
        add(file, node, steps);
        return text -> {
            List<String> words = text.isEmpty() ? List.of() : List.of(text);
            for (Function<String, List<String>> step : steps) {
                List<String> finer = new ArrayList<>();
                words.forEach(word -> finer.addAll(step.apply(word)));
                words = finer;
            }
            return words;
        };
    }

    private static void add(Path file, JsonNode node, List<Function<String, List<String>>> steps) {
        if (node.isMissingNode() || node.isNull()) {
            return;
        }
        String type = node.path("type").asString("");
        switch (type) {
            case "Sequence" -> node.path("pretokenizers").forEach(one -> add(file, one, steps));
            case "ByteLevel" -> steps.add(byteLevel(node));
            case "Digits" -> {
                Pattern pattern = node.path("individual_digits").asBoolean(false) ? DIGIT : DIGITS;
                steps.add(text -> cut(text, pattern, "Isolated", false));
            }
            case "Punctuation" -> {
                String behavior = behavior(file, node, "Isolated");
                steps.add(text -> cut(text, PUNCTUATION, behavior, false));
            }
            case "Whitespace" -> steps.add(text -> cut(text, WORDS, "Removed", true));
            case "BertPreTokenizer" -> {
                steps.add(text -> cut(text, SPACES, "Removed", false));
                steps.add(text -> cut(text, PUNCTUATION, "Isolated", false));
            }
            case "WhitespaceSplit" -> steps.add(text -> cut(text, SPACES, "Removed", false));
            case "Split" -> {
                JsonNode given = node.path("pattern");
                Pattern pattern = given.path("String").isString()
                        ? Pattern.compile(given.path("String").stringValue(), Pattern.LITERAL)
                        : KnownPatterns.find(given.path("Regex").asString(""))
                                .orElseThrow(() -> InputException.of(
                                        file,
                                        "pre_tokenizer",
                                        "the pattern "
                                                + Quoted.of(given.path("Regex").asString(""))
                                                + " is not one that Quern knows, and it runs no other"));
                String behavior = behavior(file, node, "");
                boolean inverted = node.path("invert").asBoolean(false);
                steps.add(text -> cut(text, pattern, behavior, inverted));
            }
            default -> throw InputException.of(file, "pre_tokenizer", Quoted.of(type) + " is not known");
        }
    }

    private static String behavior(Path file, JsonNode node, String otherwise) {
        String behavior = node.path("behavior").asString(otherwise);
        if (!List.of("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
                .contains(behavior)) {
            throw InputException.of(file, "pre_tokenizer", "behavior " + Quoted.of(behavior) + " is not known");
        }
        return behavior;
    }

    private static Function<String, List<String>> byteLevel(JsonNode node) {
        boolean prefix = node.path("add_prefix_space").asBoolean(true);
        boolean cuts = node.path("use_regex").asBoolean(true);
        return text -> {
            String whole = prefix && !text.startsWith(" ") ? " " + text : text;
            List<String> words = cuts ? cut(whole, GPT2, "Isolated", false) : List.of(whole);
            return words.stream().map(PreTokenizerSteps::spelled).toList();
        };
    }

    private static String spelled(String word) {
        byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
        StringBuilder out = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            out.appendCodePoint(ByteAlphabet.codePoint(b));
        }
        return out.toString();
    }

    /** The parts of a text that a pattern makes; {@code behavior} says what becomes of what it matches. */
    static List<String> cut(String text, Pattern pattern, String behavior, boolean inverted) {
        List<String> parts = new ArrayList<>();
        List<Boolean> delimits = new ArrayList<>();
        Matcher matcher = pattern.matcher(text);
        int done = 0;
        while (matcher.find()) {
            if (matcher.start() > done) {
                parts.add(text.substring(done, matcher.start()));
                delimits.add(inverted);
            }
            if (matcher.end() > matcher.start()) {
                parts.add(matcher.group());
                delimits.add(!inverted);
            }
            done = matcher.end();
        }
        if (done < text.length()) {
            parts.add(text.substring(done));
            delimits.add(inverted);
        }
        return joined(parts, delimits, behavior);
    }

    private static List<String> joined(List<String> parts, List<Boolean> delimits, String behavior) {
        List<String> out = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            boolean delimiter = delimits.get(i);
            boolean before = i > 0 && delimits.get(i - 1);
            boolean joins = switch (behavior) {
                case "MergedWithPrevious" -> delimiter && i > 0 && !before;
                case "MergedWithNext" -> !delimiter && before;
                case "Contiguous" -> i > 0 && delimiter == before;
                default -> false;
            };
            if (joins) {
                out.set(out.size() - 1, out.getLast() + parts.get(i));
            } else if (!behavior.equals("Removed") || !delimiter) {
                out.add(parts.get(i));
            }
        }
        return out;
    }
}
