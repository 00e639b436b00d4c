package dev.quern.tokenizer;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * The regular expressions of tokenizer.json files that Quern runs: those listed in {@code formats/pretokenizers.json}. A
 * pattern from elsewhere is never compiled, for it may be built to take forever.
 */
final class KnownPatterns {
    private static final Map<String, Pattern> COMPILED = new ConcurrentHashMap<>();

    private KnownPatterns() {}

    /** The pattern with Java's spelling, which is the same unless the list says otherwise. */
    static Optional<Pattern> find(String pattern) {
        String spelled = PreTokenizer.page().patterns().get(pattern);
        if (spelled == null) {
            return Optional.empty();
        }
        return Optional.of(COMPILED.computeIfAbsent(
                pattern,
                key -> Pattern.compile(
                        spelled.isEmpty() ? key : spelled, Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE)));
    }
}
