package dev.quern.batch;

import dev.quern.quantization.Codecs;
import dev.quern.quantization.QuantType;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import tools.jackson.databind.JsonNode;

/** Values of a recipe, and what is said of those that are wrong: each has its line. */
record RecipeNodes(YamlDocument document, RecipePaths paths) {
    static Optional<String> text(JsonNode node, String key) {
        return node.has(key) ? Optional.of(node.get(key).asString()) : Optional.empty();
    }

    static OptionalInt integer(JsonNode node, String key) {
        return node.has(key) ? OptionalInt.of(node.get(key).asInt()) : OptionalInt.empty();
    }

    /** A number as people write it, without an exponent unless it is a very large or small one. */
    static String written(JsonNode node) {
        double value = node.isNumber() ? Math.abs(node.asDouble()) : 0;
        return node.isNumber() && (value == 0 || (value > 1e-12 && value < 1e15))
                ? BigDecimal.valueOf(node.asDouble()).stripTrailingZeros().toPlainString()
                : node.asString();
    }

    QuantType tensorType(String pointer, String text) {
        return QuantType.fromName(text)
                .filter(Codecs::canQuantize)
                .orElseThrow(
                        () -> document.refuse(pointer, "expected a tensor type such as Q6_K, found '" + text + "'"));
    }

    Pattern pattern(String pointer, String text) {
        try {
            return Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw document.refuse(pointer, "expected a regular expression, found: " + e.getDescription());
        }
    }

    Path file(String pointer, String text) {
        Path path = resolve(pointer, () -> paths.path(text));
        if (!Files.isRegularFile(path)) {
            throw document.refuse(pointer, "expected a text file, found none at " + path);
        }
        return path;
    }

    Optional<Path> optionalPath(JsonNode node, String pointer, String key) {
        return text(node, key).map(text -> resolve(pointer + "/" + key, () -> paths.path(text)));
    }

    <T> T resolve(String pointer, Supplier<T> resolved) {
        try {
            return resolved.get();
        } catch (RecipePaths.Unreadable e) {
            throw document.refuse(pointer, String.valueOf(e.getMessage()));
        }
    }
}
