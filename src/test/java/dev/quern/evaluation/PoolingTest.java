package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.architecture.Model;
import dev.quern.gguf.GgufMetadata;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.tensor.TensorGraph;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class PoolingTest {
    private static Model saying(GgufValue value) {
        GgufMetadata metadata = new GgufMetadata()
                .put("general.architecture", GgufValue.text("bert"))
                .put("bert.pooling_type", value);
        return new Model("model.gguf", metadata, new TensorGraph(), List.of());
    }

    /** The numbers of llama.h. */
    @ParameterizedTest
    @EnumSource
    void isNumberedAsInLlamaCpp(Pooling pooling) {
        int number = List.of("none", "mean", "cls", "last").indexOf(pooling.word());
        assertThat(Pooling.of(saying(GgufValue.u32(number)))).hasValue(pooling);
        assertThat(Pooling.of(saying(GgufValue.i32(number)))).hasValue(pooling);
        assertThat(Pooling.named(pooling.word().toUpperCase(java.util.Locale.ROOT)))
                .hasValue(pooling);
    }

    static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of(
                        GgufValue.u32(4),
                        "4 (rank) is that of a model that scores pairs of texts, and makes no vectors"),
                Arguments.of(GgufValue.u32(5), "expected 0 to 3 (none, mean, cls, last), found 5"),
                Arguments.of(GgufValue.i32(-1), "expected 0 to 3 (none, mean, cls, last), found 18446744073709551615"),
                Arguments.of(GgufValue.text("mean"), "expected an integer, found a value of type STRING"),
                Arguments.of(GgufValue.i32s(1, 2), "expected an integer, found an array of 2 INT32"));
    }

    @ParameterizedTest
    @MethodSource("values")
    void anythingElseIsRefused(GgufValue value, String message) {
        assertThatThrownBy(() -> Pooling.of(saying(value)))
                .isInstanceOf(InputException.class)
                .hasMessage("model.gguf: key \"bert.pooling_type\": " + message);
    }

    @Test
    void nothingIsNothing() {
        GgufMetadata metadata = new GgufMetadata().put("general.architecture", GgufValue.text("bert"));
        assertThat(Pooling.of(new Model("model.gguf", metadata, new TensorGraph(), List.of())))
                .isEmpty();
        assertThat(Pooling.named("max")).isEmpty();
    }
}
