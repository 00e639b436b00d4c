package dev.quern.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.JacksonException;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** Against Jackson's own mapper, whose nodes know an int from a long and a double from a decimal. */
class JsonTreeTest {
    private static JsonNode json(String text) {
        return JsonTree.whole(new JsonFactory().createParser(ObjectReadContext.empty(), text));
    }

    private static JsonNode yaml(String text) {
        return JsonTree.whole(new YAMLFactory().createParser(ObjectReadContext.empty(), text));
    }

    private static String random(Random random, int depth) {
        return switch (random.nextInt(depth > 4 ? 9 : 12)) {
            case 0 -> "null";
            case 1 -> Boolean.toString(random.nextBoolean());
            case 2 -> Integer.toString(random.nextInt());
            case 3 -> Long.toString(random.nextLong());
            case 4 -> "-" + (random.nextLong() >>> 1) + "0123456789";
            case 5 -> Double.toString(random.nextDouble(-1e9, 1e9));
            case 6 -> random.nextInt(10) + "E" + random.nextInt(-330, 330);
            case 7 -> "\"\"";
            case 8 -> "\"é\\n\\u0041\\ud83d\\ude00 " + random.nextInt() + "\"";
            case 9 -> "[]";
            case 10 -> "[" + random(random, depth + 1) + " , " + random(random, depth + 1) + "]";
            default ->
                "{\"a\":" + random(random, depth + 1) + ",\"b\\t" + random.nextInt(3) + "\":"
                        + random(random, depth + 1) + ",\"b\\t1\":{}}";
        };
    }

    @Test
    void treesAreThoseOfTheMapper() {
        JsonMapper mapper = JsonMapper.builder().build();
        Random random = new Random(1);
        for (int i = 0; i < 5_000; i++) {
            String text = " " + random(random, 0) + "\n";
            assertThat(json(text)).as(text).isEqualTo(mapper.readTree(text));
        }
        assertThat(json(" \n").isMissingNode()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "# nothing",
                "text",
                "a: 1\nb: [x, 1.5, 1e3, .inf, .nan, 0x1F, 0o7, 1_000, 12345678901, 123456789012345678901234567890]",
                "a: [yes, no, true, True, on, ~, null, Null, 2020-01-01, 1:20, -0, +1, 0123, 1., .5, 1e400]",
                "a: !!binary aGVsbG8=\nb:\nc: ''\n? d\n: e",
                "a: 1\na: 2",
                "a: &x 1\nb: *x",
                "a: !!int '3'\nb: !!str 3\nc: !!float 3\nd: !!null x\ne: !foo bar\nf: !!set {a, b}",
                "a: |\n  x\n  y\nb: >\n  z\n- 1",
                "a: |\n  x\n  y\nb: >\n  z\n",
                "a: b: c",
                "[1, 2"
            })
    void soAreYamls(String text) {
        JsonNode expected;
        try {
            expected = new YAMLMapper().readTree(text);
        } catch (JacksonException e) {
            assertThatThrownBy(() -> yaml(text))
                    .isInstanceOf(JacksonException.class)
                    .hasMessage(e.getMessage());
            return;
        }
        assertThat(yaml(text)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1 2", "{} {}", "[] 1", "null null"})
    void oneDocumentIsAll(String text) {
        assertThatThrownBy(() -> json(text)).hasMessageContaining("expected one document, found more after it");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"a\"", "{\"a\":", "{\"a\":1", "[", "[1", "[1,", "tru", "{\"a\" 1}", "]"})
    void whatIsCutShortIsRefusedAsByTheMapper(String text) {
        JsonMapper mapper = JsonMapper.builder().build();
        assertThatThrownBy(() -> json(text))
                .isInstanceOfSatisfying(
                        JacksonException.class,
                        e -> assertThatThrownBy(() -> mapper.readTree(text))
                                .isInstanceOfSatisfying(
                                        JacksonException.class,
                                        expected -> assertThat(e.getOriginalMessage())
                                                .isEqualTo(expected.getOriginalMessage())));
    }
}
