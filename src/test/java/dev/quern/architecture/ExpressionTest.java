package dev.quern.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExpressionTest {
    private static final Map<String, Object> VALUES = Map.of(
            "width",
            64.0,
            "heads",
            4.0,
            "kind",
            "yarn",
            "layers",
            List.of("full", "sliding"),
            "off",
            0.0,
            "part",
            0.25);

    private static Object value(String text) {
        return Objects.requireNonNull(new Expression(text).value(VALUES::get), text);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', quoteCharacter = '"', textBlock = """
        width/heads;16
        2*width + 3*heads - 1;139
        2*(width + heads);136
        width - heads - 1;59
        64/4/2;8
        floor(part*width)/heads;4
        floor(7/2);3
        ceil(width/48);2
        -width + 1e-1;-63.9
        max(width, 100);100
        min(width, 100);64
        sqrt(width);8
        kind == 'yarn';1
        kind == 'linear' || heads == 4 && !off;1
        kind != 'yarn';0
        width >= 64;1
        width < heads;0
        present(width);1
        present(height);0
        height > 1 ? 3 : height == none ? 4 : 5;5
        layers[1] == 'sliding' ? 1 : 0;1
        true;1
        false;0\
        """)
    void isWorkedOut(String text, double expected) {
        assertThat(value(text)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"height", "2*height", "layers[2]", "none", "kind + 1", "width > 1 ? height : 2"})
    void isMissingWhereSomethingIs(String text) {
        assertThat(new Expression(text).value(VALUES::get)).isNull();
    }

    @Test
    void textsAreValues() {
        assertThat(value("kind == 'yarn' ? 'is' : 'is not'")).isEqualTo("is");
    }

    @Test
    void namesWhatItSpeaksOf() {
        assertThat(new Expression("max(width, a) / b[c] == 'd'").names()).containsExactly("width", "a", "b", "c");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "1 +", "(1", "a b", "1 ? 2", "max(1)", "#", "a[1", "'open"})
    void refusesWhatIsNone(String text) {
        assertThatThrownBy(() -> new Expression(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("\"" + text + "\" is no expression: ");
    }
}
