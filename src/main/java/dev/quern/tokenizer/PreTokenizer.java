package dev.quern.tokenizer;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * A pre-tokenizer of byte-level vocabularies, by the name that GGUF has for it ({@code tokenizer.ggml.pre}): how text is
 * cut into words, and what else llama.cpp does for a vocabulary with that name. {@code formats/pretokenizers.json} lists
 * them.
 *
 * @param split the way of cutting that this name stands for; null for one that Quern knows by name only
 * @param ignoreMerges whether a word that is a token is that token, whatever the merges make of it
 * @param addBos whether a text begins with the beginning token when the file does not say
 * @param addSep whether two texts are separated when the file does not say
 * @param noBos whether there is no beginning token unless the file names one
 * @param digests SHA-256 digests by which convert_hf_to_gguf.py recognises tokenizers of this kind
 */
record PreTokenizer(
        String name,
        @Nullable String split,
        @JsonProperty("ignore_merges") boolean ignoreMerges,
        @JsonProperty("add_bos") boolean addBos,
        @JsonProperty("add_sep") boolean addSep,
        @JsonProperty("no_bos") boolean noBos,
        @Nullable List<String> digests) {
    /** What llama.cpp takes for a file that does not say. */
    static final String DEFAULT = "default";

    /**
     * What tokenizer.json says of a pre-tokenizer, and the name that stands for it where no digest does.
     *
     * @param steps as {@link Recognition#steps} words them
     * @param ignoreMerges what the model must say of whole words, or null where that is no matter
     */
    record Recognised(
            String name,
            List<String> steps,
            @JsonProperty("ignore_merges") @Nullable Boolean ignoreMerges) {}

    /** The file as it is; of a pattern's two spellings the second is Java's, empty where they are the same. */
    record Page(
            Map<String, List<String>> splits,
            Map<String, String> patterns,
            List<PreTokenizer> names,
            List<Recognised> recognised) {}

    private static final String FILE = "/formats/pretokenizers.json";
    private static final Page PAGE = read();
    private static final Map<String, PreTokenizer> BY_NAME =
            PAGE.names.stream().collect(Collectors.toUnmodifiableMap(PreTokenizer::name, Function.identity()));

    static Page page() {
        return PAGE;
    }

    static Optional<PreTokenizer> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    /** The steps that cut a text, one after the other; none when Quern knows this one by name only. */
    Optional<List<Splitting>> steps() {
        return split == null ? Optional.empty() : Optional.of(steps(split));
    }

    static List<Splitting> steps(String split) {
        List<String> patterns = PAGE.splits.get(split);
        if (patterns == null) {
            throw new IllegalStateException(FILE + " lacks the split " + split);
        }
        List<Splitting> steps = new ArrayList<>();
        for (String pattern : patterns) {
            steps.add(step(pattern));
        }
        return steps;
    }

    /** By hand for the patterns that most models have, otherwise as the pattern says. */
    static Splitting step(String pattern) {
        String line = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        String cut = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?";
        String rest = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" + line;
        if (pattern.equals("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)")) {
            return new WordPattern(false, false, false, Integer.MAX_VALUE);
        }
        if (pattern.equals(cut + "\\p{L}+|\\p{N}{1,3}" + rest)) {
            return new WordPattern(true, true, false, 3);
        }
        if (pattern.equals(cut + "\\p{L}+|\\p{N}" + rest)) {
            return new WordPattern(true, true, false, 1);
        }
        if (pattern.equals(cut + "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" + line)) {
            return new WordPattern(true, true, true, 1);
        }
        if (pattern.equals("\\s+$")) {
            return PreTokenizer::splitTrailingSpace;
        }
        return RunPattern.of(pattern).orElseGet(() -> new CollapsedPattern(pattern));
    }

    private static void splitTrailingSpace(Splitting.Source source, int from, int to, IntList ends) {
        int end = to;
        while (end > from && CodePoints.is(source.codePoints[end - 1], CodePoints.WHITESPACE)) {
            end--;
        }
        if (end > from) {
            ends.add(end);
        }
        if (to > end) {
            ends.add(to);
        }
    }

    private static Page read() {
        JsonMapper mapper = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .disable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .build();
        try (InputStream in = PreTokenizer.class.getResourceAsStream(FILE)) {
            if (in == null) {
                throw new IllegalStateException("the build lacks " + FILE);
            }
            return mapper.readValue(in, Page.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
