package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.evaluation.Embeddings;
import dev.quern.evaluation.Pooling;
import dev.quern.io.InputException;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import dev.quern.quantization.FileType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Vectors of the tiny embedding models against those that transformers' states make (recorded by
 * scripts/make-family-fixtures), and against llama.cpp's.
 */
class EmbeddingModelTest {
    private static final Map<String, Pooling> FAMILIES = Map.of(
            "bert", Pooling.MEAN,
            "all-minilm", Pooling.MEAN,
            "nomic-bert", Pooling.MEAN,
            "xlm-roberta", Pooling.CLS,
            "qwen3-embedding", Pooling.LAST);

    /** As llama.h has them. */
    private static final Map<Pooling, Integer> PEERS_NUMBERS = Map.of(Pooling.MEAN, 1, Pooling.CLS, 2, Pooling.LAST, 3);

    @TempDir
    Path folder;

    private static JsonNode recorded(String family) {
        return JsonMapper.builder()
                .build()
                .readTree(Path.of("test-data/embeddings", family + ".json").toFile());
    }

    private static float[] floats(JsonNode values) {
        float[] floats = new float[values.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = values.get(i).floatValue();
        }
        return floats;
    }

    /** Texts' tokens, which are those of the checkpoint's own tokenizer. */
    private static List<int[]> tokens(EmbeddingModel model, JsonNode texts) {
        List<int[]> all = new ArrayList<>();
        for (JsonNode text : texts) {
            EmbeddingModel.Tokens tokens =
                    model.tokens(text.get("text").asString().getBytes(StandardCharsets.UTF_8));
            int[] theirs =
                    text.get("tokens").valueStream().mapToInt(JsonNode::asInt).toArray();
            assertThat(tokens.ids()).as(text.get("text").asString()).containsExactly(theirs);
            all.add(tokens.ids());
        }
        return all;
    }

    private static EmbeddingModel open(Path path, Optional<Pooling> asked) {
        return EmbeddingModel.open(path, asked, 0, notice -> {});
    }

    private static void assertNear(float[] found, float[] expected, double tolerance) {
        assertThat(found).hasSameSizeAs(expected);
        float least = Float.POSITIVE_INFINITY;
        float most = Float.NEGATIVE_INFINITY;
        double worst = 0;
        double product = 0;
        double ours = 0;
        double theirs = 0;
        for (int i = 0; i < found.length; i++) {
            least = Math.min(least, expected[i]);
            most = Math.max(most, expected[i]);
            worst = Math.max(worst, Math.abs((double) found[i] - expected[i]));
            product += (double) found[i] * expected[i];
            ours += (double) found[i] * found[i];
            theirs += (double) expected[i] * expected[i];
        }
        assertThat(worst).as("worst element").isLessThan(tolerance * (most - least));
        assertThat(product / Math.sqrt(ours * theirs)).as("cosine").isGreaterThan(1 - tolerance / 100);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "all-minilm", "nomic-bert", "xlm-roberta", "qwen3-embedding"})
    void equalThoseOfTransformers(String family) throws Exception {
        JsonNode recorded = recorded(family);
        Path checkpoint = Family.of(family).write(folder);
        try (EmbeddingModel model = open(checkpoint, Optional.empty())) {
            assertThat(model.pooling()).isEqualTo(FAMILIES.get(family));
            assertThat(model.context()).isEqualTo(recorded.get("context").asInt());
            assertThat(model.width()).isEqualTo(64);
        }
        for (Pooling pooling : Pooling.values()) {
            try (EmbeddingModel model = open(checkpoint, Optional.of(pooling))) {
                List<int[]> tokens = tokens(model, recorded.get("texts"));
                float[][] found = model.embeddings(2).of(tokens, done -> {});
                for (int i = 0; i < found.length; i++) {
                    JsonNode text = recorded.get("texts").get(i);
                    if (pooling == Pooling.NONE) {
                        assertThat(found[i]).hasSize(64 * tokens.get(i).length);
                        assertNear(Arrays.copyOf(found[i], 64), floats(text.get("cls")), 1e-4);
                        assertNear(
                                Arrays.copyOfRange(found[i], found[i].length - 64, found[i].length),
                                floats(text.get("last")),
                                1e-4);
                    } else {
                        assertNear(found[i], floats(text.get(pooling.word())), 1e-4);
                    }
                    if (pooling == Pooling.MEAN) {
                        Embeddings.normalize(found[i], 64);
                        assertNear(found[i], floats(text.get("unit_mean")), 1e-4);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "all-minilm", "nomic-bert", "xlm-roberta", "qwen3-embedding"})
    void equalThoseOfLlamaCpp(String family) throws Exception {
        LlamaCpp.require();
        Path gguf = FamiliesTest.convert(Family.of(family).write(folder), FileType.F32, folder);
        for (Pooling pooling : PEERS_NUMBERS.keySet()) {
            try (EmbeddingModel model = open(gguf, Optional.of(pooling));
                    LlamaModel peer = LlamaCpp.load(gguf)) {
                List<int[]> tokens = tokens(model, recorded(family).get("texts"));
                float[][] found = model.embeddings(2).of(tokens, done -> {});
                for (int i = 0; i < found.length; i++) {
                    assertNear(found[i], peer.vector(tokens.get(i), PEERS_NUMBERS.get(pooling)), 1e-3);
                }
            }
        }
    }

    /** What a GGUF says of its pooling means the same to both. */
    @ParameterizedTest
    @ValueSource(strings = {"all-minilm", "xlm-roberta", "qwen3-embedding"})
    void poolAsTheFileSays(String family) throws Exception {
        LlamaCpp.require();
        Path gguf = FamiliesTest.convert(Family.of(family).write(folder), FileType.F32, folder);
        try (EmbeddingModel model = open(gguf, Optional.empty());
                LlamaModel peer = LlamaCpp.load(gguf)) {
            assertThat(model.pooling()).isEqualTo(FAMILIES.get(family));
            int[] tokens = tokens(model, recorded(family).get("texts")).getFirst();
            assertNear(model.embeddings(1).of(List.of(tokens), done -> {})[0], peer.vector(tokens, -1), 1e-3);
        }
    }

    /** Neither threads nor other texts change a bit. */
    @Test
    void aTextsVectorIsItsOwn() throws Exception {
        JsonNode recorded = recorded("all-minilm");
        try (EmbeddingModel model = open(Family.of("all-minilm").write(folder), Optional.empty())) {
            List<int[]> tokens = tokens(model, recorded.get("texts"));
            List<int[]> twice = new ArrayList<>(tokens);
            twice.addAll(tokens);
            float[][] expected = model.embeddings(1).of(tokens, done -> {});
            int[] counted = {0};
            float[][] found = model.embeddings(3).of(twice, done -> counted[0] += done);
            assertThat(counted[0]).isEqualTo(twice.size());
            for (int i = 0; i < twice.size(); i++) {
                assertThat(found[i]).containsExactly(expected[i % tokens.size()]);
            }
            for (int i = 0; i < tokens.size(); i++) {
                assertThat(model.embeddings(2).of(List.of(tokens.get(i)), done -> {})[0])
                        .containsExactly(expected[i]);
            }
        }
    }

    /** As of a file whose vocabulary has been changed and whose embedding has not. */
    @Test
    void tokensThatTheEmbeddingDoesNotHaveAreRefused() throws Exception {
        Path checkpoint = Family.of("bert").write(folder);
        try (EmbeddingModel model = open(checkpoint, Optional.empty())) {
            assertThatThrownBy(() -> model.embeddings(1).of(List.of(new int[] {2, 320, 3}), done -> {}))
                    .isInstanceOf(InputException.class)
                    .hasMessage(checkpoint + ": its tokenizer makes a token of id 320, its embedding ends at 319");
        }
    }
}
