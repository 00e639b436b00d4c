package dev.quern.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.quern.gguf.GgufMetadata;
import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

class PreTokenizerTest {
    private static final PreTokenizer.Page PAGE = PreTokenizer.page();

    @Test
    void theFileKeepsItsSchema() {
        var file = JsonMapper.shared().readTree(Path.of("formats/pretokenizers.json"));
        assertThat(JsonSchema.named("pretokenizers.schema.json").problems(file)).isEmpty();
    }

    @Test
    void namesSplitsAndDigestsFitTogether() {
        Set<String> names = new HashSet<>();
        Set<String> digests = new HashSet<>();
        Set<String> used = new HashSet<>();
        for (PreTokenizer one : PAGE.names()) {
            assertThat(names.add(one.name())).as(one.name()).isTrue();
            if (one.split() != null) {
                assertThat(PAGE.splits()).containsKey(one.split());
                used.add(one.split());
            }
            List<String> known = one.digests();
            if (known != null) {
                known.forEach(
                        digest -> assertThat(digests.add(digest)).as(digest).isTrue());
            }
        }
        assertThat(used).isEqualTo(PAGE.splits().keySet());
        assertThat(digests).hasSizeGreaterThan(90);
        PAGE.recognised().forEach(one -> assertThat(names).contains(one.name()));
        assertThat(names).contains(PreTokenizer.DEFAULT);
    }

    static Stream<String> namesOnly() {
        return PAGE.names().stream().filter(one -> one.split() == null).map(PreTokenizer::name);
    }

    /** What is known by its name only can be written to a file; text is not cut in some other way. */
    @ParameterizedTest
    @MethodSource("namesOnly")
    void aNameWithoutASplitIsRefused(String name) {
        refused(
                name,
                "vocabulary: the pre-tokenizer \"" + name
                        + "\" is known by its name only, not how it cuts text, so text cannot be encoded");
    }

    @Test
    void aNameThatIsNotThereIsRefused() {
        refused("no-such-name", "vocabulary: the pre-tokenizer \"no-such-name\" is not known");
    }

    private static void refused(String name, String message) {
        Vocabulary vocabulary = new Vocabulary(
                TokenizerModel.BYTE_PAIR,
                Optional.of(name),
                new byte[][] {{'a'}},
                new float[0],
                new TokenType[] {TokenType.NORMAL},
                new GgufMetadata());
        InputException refused = catchThrowableOfType(InputException.class, () -> Tokenizer.of(vocabulary));
        assertThat(refused).hasMessage(message);
        assertThat(refused.hint()).contains("The file can be converted and quantized all the same.");
    }

    @Test
    void everyPatternOfTokenizersIsSpelledForJava() {
        PAGE.patterns()
                .keySet()
                .forEach(pattern -> assertThat(KnownPatterns.find(pattern)).isPresent());
        assertThat(KnownPatterns.find("(a+)+$")).isEmpty();
    }

    static Stream<String> categories() {
        return PAGE.splits().values().stream()
                .flatMap(List::stream)
                .distinct()
                .filter(pattern -> pattern.contains("\\p{") && pattern.chars().allMatch(c -> c < 0x80));
    }

    /** What is written by hand cuts as the regular expression does. */
    @ParameterizedTest
    @MethodSource("categories")
    void handWrittenAndRegularExpression(String pattern) {
        Splitting fast = PreTokenizer.step(pattern);
        // GPT-2's leaves out that white space may end a text.
        Splitting slow = new CollapsedPattern(pattern + (pattern.endsWith("|\\s+(?!\\S)") ? "|\\s+" : ""));
        RandomText texts = new RandomText(31, new byte[][] {"'S".getBytes(StandardCharsets.UTF_8)});
        for (int i = 0; i < 3000; i++) {
            DecodedText text = DecodedText.of(texts.any());
            IntList found = BytePairTokenizer.ends(List.of(fast), text);
            IntList expected = BytePairTokenizer.ends(List.of(slow), text);
            assertThat(found.toArray())
                    .as(new String(text.utf8, StandardCharsets.UTF_8))
                    .isEqualTo(expected.toArray());
        }
    }

    /** Half a million characters of one kind: no stack is used up, and no time. */
    @Test
    void longRuns() {
        List<String> runs = new ArrayList<>();
        for (String part : List.of("a", " ", "A", "1", "\u4e2d", "\n", "!", "\u00e9", "\u0301", "'s", "\ud83d\ude00")) {
            runs.add(part.repeat(200_000));
        }
        for (String split : PAGE.splits().keySet()) {
            List<Splitting> steps = PreTokenizer.steps(split);
            for (String run : runs) {
                DecodedText text = DecodedText.of(run.getBytes(StandardCharsets.UTF_8));
                IntList ends = BytePairTokenizer.ends(steps, text);
                assertThat(ends.get(ends.size() - 1)).as(split).isEqualTo(text.length);
            }
        }
    }
}
