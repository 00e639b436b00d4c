package dev.quern.tokenizer;

import dev.quern.io.InputException;
import dev.quern.io.Quoted;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Locale;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;

/** The normalizers of tokenizer.json: what happens to text before it is cut into words. */
final class Normalizers {
    private Normalizers() {}

    /** @throws InputException when the file asks for one that is not known */
    static UnaryOperator<String> of(Path file, JsonNode node) {
        if (node.isMissingNode() || node.isNull()) {
            return text -> text;
        }
        String type = node.path("type").asString("");
        return switch (type) {
            case "Sequence" -> {
                UnaryOperator<String> all = text -> text;
                for (JsonNode one : node.path("normalizers")) {
                    UnaryOperator<String> before = all;
                    UnaryOperator<String> next = of(file, one);
                    all = text -> next.apply(before.apply(text));
                }
                yield all;
            }
            case "NFC" -> text -> Normalizer.normalize(text, Normalizer.Form.NFC);
            case "NFD" -> text -> Normalizer.normalize(text, Normalizer.Form.NFD);
            case "NFKC" -> text -> Normalizer.normalize(text, Normalizer.Form.NFKC);
            case "NFKD" -> text -> Normalizer.normalize(text, Normalizer.Form.NFKD);
            case "Lowercase" -> Normalizers::lowered;
            case "StripAccents" ->
                text -> {
                    StringBuilder out = new StringBuilder();
                    text.codePoints()
                            .filter(c -> Character.getType(c) != Character.NON_SPACING_MARK)
                            .forEach(out::appendCodePoint);
                    return out.toString();
                };
            case "Prepend" -> {
                String prepended = node.path("prepend").asString("");
                yield text -> text.isEmpty() ? text : prepended + text;
            }
            case "Replace" -> {
                String content = node.path("content").asString("");
                JsonNode pattern = node.path("pattern");
                if (pattern.path("String").isString()) {
                    String replaced = pattern.path("String").stringValue();
                    yield text -> replaced.isEmpty() ? text : text.replace(replaced, content);
                }
                throw unknown(
                        file, "a pattern " + Quoted.of(pattern.path("Regex").asString("")));
            }
            case "Strip" -> {
                boolean left = node.path("strip_left").asBoolean(true);
                boolean right = node.path("strip_right").asBoolean(true);
                yield text -> {
                    String stripped = left ? text.stripLeading() : text;
                    return right ? stripped.stripTrailing() : stripped;
                };
            }
            case "BertNormalizer" -> bert(node);
            default -> throw unknown(file, Quoted.of(type));
        };
    }

    /** What BERT does: control characters away, Chinese ones apart, no accents, lower case. */
    private static UnaryOperator<String> bert(JsonNode node) {
        boolean cleans = node.path("clean_text").asBoolean(true);
        boolean parts = node.path("handle_chinese_chars").asBoolean(true);
        boolean lowers = node.path("lowercase").asBoolean(true);
        boolean strips = node.path("strip_accents").asBoolean(lowers);
        return text -> {
            StringBuilder out = new StringBuilder();
            text.codePoints().forEach(c -> {
                int flags = CodePoints.flags(c);
                boolean control = c != '\t' && c != '\n' && c != '\r' && (flags & CodePoints.CONTROL) != 0;
                if (cleans && !control && (flags & CodePoints.WHITESPACE) != 0) {
                    out.append(' ');
                } else if (!cleans || c != 0xFFFD && !control) {
                    boolean alone = parts && WordPieceTokenizer.isChinese(c);
                    out.append(alone ? " " : "").appendCodePoint(c).append(alone ? " " : "");
                }
            });
            String cleaned = out.toString();
            if (strips) {
                StringBuilder bare = new StringBuilder();
                Normalizer.normalize(cleaned, Normalizer.Form.NFD)
                        .codePoints()
                        .filter(c -> Character.getType(c) != Character.NON_SPACING_MARK)
                        .forEach(bare::appendCodePoint);
                cleaned = bare.toString();
            }
            return lowers ? lowered(cleaned) : cleaned;
        };
    }

    /** Each character by itself: a capital sigma that ends a word is no other than the rest. */
    private static String lowered(String text) {
        StringBuilder out = new StringBuilder();
        text.codePoints().forEach(c -> out.append(Character.toString(c).toLowerCase(Locale.ROOT)));
        return out.toString();
    }

    private static InputException unknown(Path file, String what) {
        return InputException.of(file, "normalizer", what + " is not known");
    }
}
