package dev.quern.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.io.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Look-ups in config.json, and what is refused. */
class ModelConfigTest {
    @TempDir
    Path directory;

    private ModelConfig config(String json) {
        return ModelConfig.read(Hostile.write(directory, "config.json", json.getBytes(StandardCharsets.UTF_8)));
    }

    private void refused(String message, ThrowingCallable look) {
        Hostile.thrownBy(look)
                .isInstanceOf(InputException.class)
                .hasMessage(directory.resolve("config.json") + ": " + message);
    }

    @Test
    void looksUpByPath() {
        ModelConfig config = config(
                "{\"hidden_size\":256,\"rope_scaling\":{\"factor\":8,\"kind\":\"llama3\"},"
                    + "\"tie\":true,\"architectures\":[\"A\",\"B\"],\"nothing\":null,\"ids\":[1,2],\"id\":3,\"f\":[1,2.5]}");
        assertThat(config.integer("hidden_size")).hasValue(256);
        assertThat(config.real("rope_scaling.factor")).hasValue(8);
        assertThat(config.text("rope_scaling.kind")).hasValue("llama3");
        assertThat(config.bool("tie")).hasValue(true);
        assertThat(config.texts("architectures")).containsExactly("A", "B");
        assertThat(config.integers("ids")).containsExactly(1L, 2L);
        assertThat(config.integers("id")).containsExactly(3L);
        assertThat(config.reals("f")).containsExactly(1.0, 2.5);
        assertThat(config.has("rope_scaling")).isTrue();
    }

    @Test
    void absentAndNullAreTheSame() {
        ModelConfig config = config("{\"a\":null,\"b\":{\"c\":null}}");
        for (String key : new String[] {"a", "b.c", "b.d", "x", "a.b.c"}) {
            assertThat(config.has(key)).isFalse();
            assertThat(config.integer(key)).isEmpty();
            assertThat(config.real(key)).isEmpty();
            assertThat(config.text(key)).isEmpty();
            assertThat(config.bool(key)).isEmpty();
            assertThat(config.texts(key)).isEmpty();
        }
        refused("x: is not there", () -> config.requireInteger("x"));
        refused("x: is not there", () -> config.requireReal("x"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {"num_hidden_layers":2147483648}|num_hidden_layers|expected an integer from 1 to 4096, found 2147483648
        {"num_hidden_layers":0}|num_hidden_layers|expected an integer from 1 to 4096, found 0
        {"num_attention_heads":-8}|num_attention_heads|expected an integer from 1 to 4096, found -8
        {"hidden_size":4194304}|hidden_size|expected an integer from 1 to 1048576, found 4194304
        {"hidden_size":256.0}|hidden_size|expected an integer, found 256.0
        {"hidden_size":"256"}|hidden_size|expected an integer, found "256"
        {"hidden_size":true}|hidden_size|expected an integer, found true
        {"hidden_size":[256]}|hidden_size|expected an integer, found a list
        {"hidden_size":{}}|hidden_size|expected an integer, found an object
        {"hidden_size":99999999999999999999}|hidden_size|expected an integer, found 99999999999999999999
        {"vocab_size":0}|vocab_size|expected an integer from 1 to 16777216, found 0
        {"text_config":{"num_hidden_layers":5000}}|text_config.num_hidden_layers|expected an integer from 1 to 4096, found 5000
        """)
    void integersThatAreWrong(String json, String key, String message) {
        ModelConfig config = config(json);
        refused(key + ": " + message, () -> config.integer(key));
    }

    @Test
    void numbersThatAreNotFinite() {
        ModelConfig config = config("{\"a\":NaN,\"b\":Infinity,\"c\":-Infinity,\"d\":1e400,\"e\":\"1\"}");
        refused("a: expected a finite number, found NaN", () -> config.real("a"));
        refused("b: expected a finite number, found Infinity", () -> config.real("b"));
        refused("c: expected a finite number, found -Infinity", () -> config.real("c"));
        refused("d: expected a finite number, found Infinity", () -> config.real("d"));
        refused("e: expected a finite number, found \"1\"", () -> config.real("e"));
    }

    @Test
    void otherTypes() {
        ModelConfig config = config("{\"a\":1,\"b\":[1],\"c\":\"x\"}");
        refused("a: expected a text, found 1", () -> config.text("a"));
        refused("a: expected true or false, found 1", () -> config.bool("a"));
        refused("a: expected a list, found 1", () -> config.texts("a"));
        refused("b: expected a list of texts, found 1", () -> config.texts("b"));
        refused("c: expected a list, found \"x\"", () -> config.integers("c"));
    }

    @Test
    void headsThatDoNotDivide() {
        refused(
                "num_key_value_heads: 3 does not divide num_attention_heads 8",
                () -> config("{\"num_attention_heads\":8,\"num_key_value_heads\":3}"));
    }

    @Test
    void filesThatAreNoConfig() {
        refused("expected a JSON object, found a list", () -> config("[]"));
        refused("expected JSON, found an empty file", () -> config(""));
        Hostile.thrownBy(() -> config("{\"a\":1,\"a\":2}"))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("Duplicate");
        Hostile.thrownBy(() -> config("{} {}")).isInstanceOf(InputException.class);
        Hostile.thrownBy(() -> config("{\"a\":" + "[".repeat(1000)))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("nesting depth");
        Path config = Hostile.write(directory, "config.json", new byte[] {'{', '"', (byte) 0xff, '"', ':', '1', '}'});
        Hostile.assertRefused(config, "JSON: is not valid UTF-8", () -> ModelConfig.read(config));
        Path large = Hostile.write(directory, "config.json", new byte[(16 << 20) + 1]);
        Hostile.assertRefused(
                large, "is 16777217 bytes, more than the 16777216 Quern reads as JSON", () -> ModelConfig.read(large));
    }
}
