package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.quern.architecture.Model;
import dev.quern.checkpoint.Hostile;
import dev.quern.gguf.GgufValue;
import dev.quern.io.InputException;
import dev.quern.tensor.Shape;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every way in which a model or a text cannot be evaluated, with what the user is told. */
class RefusalsTest {
    @TempDir
    Path directory;

    static Stream<Arguments> metadata() {
        return Stream.of(
                missing("embedding_length", "expected an integer, the key is missing"),
                missing("block_count", "expected an integer, the key is missing"),
                missing("feed_forward_length", "expected an integer, the key is missing"),
                missing("context_length", "expected an integer, the key is missing"),
                missing("attention.head_count", "expected an integer, the key is missing"),
                missing("attention.layer_norm_rms_epsilon", "expected a number, the key is missing"),
                put("block_count", GgufValue.text("2"), "expected an integer, found a value of type STRING"),
                put("block_count", GgufValue.u32(0), "expected 1 to 16384, found 0"),
                put("block_count", GgufValue.i32(-1), "expected 1 to 16384, found 18446744073709551615"),
                put("embedding_length", GgufValue.u32(1L << 31), "expected 1 to 16777216, found 2147483648"),
                put("attention.head_count", GgufValue.i32s(6, 6), "expected an integer, found an array of 2 INT32"),
                put("attention.head_count_kv", GgufValue.u32(4), "expected a divisor of the 6 heads, found 4"),
                put("attention.head_count_kv", GgufValue.u32(0), "expected 1 to 16777216, found 0"),
                put("rope.dimension_count", GgufValue.u32(5), "expected an even number up to the head's 10, found 5"),
                put("rope.dimension_count", GgufValue.u32(12), "expected an even number up to the head's 10, found 12"),
                put("rope.freq_base", GgufValue.f32(0), "expected a positive number, found 0.0"),
                put("rope.freq_base", GgufValue.f32(Float.NaN), "expected a positive number, found NaN"),
                put(
                        "rope.freq_base",
                        GgufValue.u32(10000),
                        "expected a floating-point number, found a value of type UINT32"),
                put("rope.scaling.factor", GgufValue.f32(-2), "expected a positive number, found -2.0"),
                put(
                        "rope.scaling.type",
                        GgufValue.text("dynamic"),
                        "the evaluator knows \"none\", \"linear\", \"yarn\" and \"longrope\", found \"dynamic\""),
                put("rope.scaling.type", GgufValue.u32(1), "expected a text, found a value of type UINT32"),
                put("attention.causal", GgufValue.u32(0), "expected true or false, found a value of type UINT32"),
                put(
                        "attention.sliding_window",
                        GgufValue.u32(8),
                        "the evaluator does not know what it means in this architecture"),
                put("logit_scale", GgufValue.f32(2), "the evaluator does not know what it means in this architecture"),
                put(
                        "attention.layer_norm_rms_epsilon",
                        GgufValue.f32(Float.POSITIVE_INFINITY),
                        "expected a positive number, found Infinity"),
                put(
                        "expert_count",
                        GgufValue.u32(8),
                        "the evaluator does not know what it means in this architecture"));
    }

    private static Arguments missing(String key, String message) {
        Consumer<RandomModel> change = model -> model.metadata.remove("llama." + key);
        return Arguments.of(key, change, message);
    }

    private static Arguments put(String key, GgufValue value, String message) {
        Consumer<RandomModel> change = model -> model.metadata.put("llama." + key, value);
        return Arguments.of(key, change, message);
    }

    @ParameterizedTest(name = "{0}: {2}")
    @MethodSource("metadata")
    void metadataThatCannotBe(String key, Consumer<RandomModel> change, String message) {
        RandomModel random = RandomModel.small(1);
        change.accept(random);
        try (Model model = random.open(directory)) {
            assertRefused(model, "model.gguf: key \"llama." + key + "\": " + message);
        }
    }

    @Test
    void headsThatDoNotDivideTheWidth() {
        RandomModel random = RandomModel.small(1);
        random.metadata.remove("llama.attention.key_length");
        random.metadata.remove("llama.attention.value_length");
        try (Model model = random.open(directory)) {
            assertRefused(
                    model,
                    "model.gguf: key \"llama.attention.head_count\": expected a divisor of embedding_length 40,"
                            + " found 6");
        }
    }

    @Test
    void aTensorThatIsMissing() {
        for (String name : new String[] {"token_embd.weight", "output_norm.weight", "blk.1.attn_k.weight"}) {
            try (Model model = RandomModel.small(1).openWithout(directory, name)) {
                assertRefused(model, "model.gguf: tensor \"" + name + "\": missing");
            }
        }
    }

    @Test
    void aTensorOfAnotherShape() {
        RandomModel random = RandomModel.small(1);
        random.metadata.put("llama.feed_forward_length", GgufValue.u32(78));
        try (Model model = random.open(directory)) {
            assertRefused(model, "model.gguf: tensor \"blk.0.ffn_down.weight\": expected [40, 78], found [40, 77]");
        }
    }

    @Test
    void anEmbeddingOfAnotherShape() {
        RandomModel random = RandomModel.small(1);
        random.metadata.put("llama.embedding_length", GgufValue.u32(60));
        try (Model model = random.open(directory)) {
            assertRefused(
                    model, "model.gguf: tensor \"token_embd.weight\": expected [vocabulary, 60], found [131, 40]");
        }
    }

    @Test
    void aTensorThatTheForwardPassWouldLeaveOut() {
        for (String name : List.of(
                "blk.0.attn_q_norm.weight",
                "blk.1.post_ffw_norm.weight",
                "position_embd.weight",
                "blk.0.attn_norm.bias",
                "blk.0.ffn_gate_inp.weight",
                "blk.2.attn_norm.weight")) {
            RandomModel random = RandomModel.small(1).tensor(name, Shape.of(2), 1, 2);
            try (Model model = random.open(directory)) {
                assertRefused(
                        model,
                        "model.gguf: tensor \"" + name
                                + "\": the forward pass of this architecture has no place for it");
            }
        }
    }

    @Test
    void aBiasOfAnotherLength() {
        RandomModel random = RandomModel.small(1).tensor("blk.0.attn_q.bias", Shape.of(2), 1, 2);
        try (Model model = random.open(directory)) {
            assertRefused(model, "model.gguf: tensor \"blk.0.attn_q.bias\": expected [60], found [2]");
        }
    }

    @Test
    void aWindowThatNoArrayHolds() {
        try (Model model = RandomModel.small(1).open(directory)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> Forward.of(model, ForwardTest.LLAMA, 50_000_000, 1))
                    .withMessage("model.gguf: a window of 50000000 tokens needs 3850001232 floats in a row,"
                            + " an array holds at most 2147483647");
        }
    }

    private static void assertRefused(Model model, String message) {
        Hostile.thrownBy(() -> Forward.of(model, ForwardTest.LLAMA, 16, 1))
                .isInstanceOf(InputException.class)
                .hasMessage(message);
    }

    @Test
    void aTextShorterThanTwoWindows() {
        try (Model model = RandomModel.small(1).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 16, 1)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> measure(forward, new int[31]))
                    .withMessage("text.txt: text shorter than two windows: expected at least 32 tokens, found 31")
                    .satisfies(e -> assertThat(e.hint()).startsWith("use a longer text or a smaller context"));
            assertThat(measure(forward, new int[32]).windows()).isEqualTo(2);
        }
    }

    @Test
    void aTokenThatTheModelHasNot() {
        try (Model model = RandomModel.small(1).open(directory);
                Forward forward = Forward.of(model, ForwardTest.LLAMA, 4, 1)) {
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> measure(forward, new int[] {1, 2, 3, 4, 5, 131, 7, 8}))
                    .withMessage("text.txt: token 5 of the text has id 131, the model's vocabulary ends at 130");
        }
    }

    @Test
    void logitsThatAreNotFinite() {
        RandomModel random =
                RandomModel.sized(3, 4, 1, 1, 1, 4, 4, 4).tensor("output.weight", Shape.of(4, 4), new float[16]);
        random.metadata.put("llama.attention.layer_norm_rms_epsilon", GgufValue.f32(1e-5f));
        RandomModel broken = RandomModel.sized(3, 4, 1, 1, 1, 4, 4, 4)
                .tensor("output.weight", Shape.of(4, 4), Float.NaN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        try (Model good = random.open(directory);
                Model bad = broken.open(directory);
                Forward finite = Forward.of(good, ForwardTest.LLAMA, 4, 1);
                Forward infinite = Forward.of(bad, ForwardTest.LLAMA, 4, 1)) {
            assertThat(measure(finite, new int[8]).perplexity()).isEqualTo(4);
            assertThatExceptionOfType(InputException.class)
                    .isThrownBy(() -> measure(infinite, new int[8]))
                    .withMessage("text.txt: window 1, token 3: the model's logits are not finite")
                    .satisfies(e ->
                            assertThat(e.hint()).isEqualTo("the weights hold NaN or infinities, or overflow in float"));
        }
    }

    private static Perplexity.Result measure(Forward forward, int[] tokens) {
        return Perplexity.measure(
                forward,
                Windows.halves("text.txt", tokens, OptionalInt.empty(), forward.window(), Integer.MAX_VALUE),
                p -> {});
    }
}
