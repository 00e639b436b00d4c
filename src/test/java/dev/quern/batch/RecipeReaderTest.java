package dev.quern.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.evaluation.Quantity;
import dev.quern.io.InputException;
import dev.quern.io.JsonSchema;
import dev.quern.quantization.FileType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What a recipe may hold, and the line of what it may not. */
class RecipeReaderTest {
    private static final String GOOD = """
        version: 1
        sources: [models/a, models/b.gguf]
        outputs:
          - Q8_0
          - {type: Q4_K_M, tensor_types: {"ffn_down": Q6_K}}
        evaluation: {texts: [text.txt], chunks: 4}
        gates:
          all: {size: 4GB}
          Q8_0: {kld: 0.03, same_top: 91%, ppl_increase: "< 2%"}
        """;

    @TempDir
    Path folder;

    @BeforeEach
    void files() throws IOException {
        Files.createDirectories(folder.resolve("models/a"));
        Files.writeString(folder.resolve("models/b.gguf"), "");
        Files.writeString(folder.resolve("text.txt"), "text");
        Files.writeString(folder.resolve("baseline.json"), "{}");
    }

    private Recipe read(String text) throws IOException {
        Path file = folder.resolve("recipe.yaml");
        Files.writeString(file, text);
        return RecipeReader.read(file, Map.of("MODELS", folder.resolve("models").toString(), "EMPTY", ""));
    }

    @Test
    void everythingIsRead() throws Exception {
        Recipe recipe = read(GOOD);
        assertThat(recipe.sources())
                .containsExactly(
                        new Recipe.Input("a", folder.resolve("models/a")),
                        new Recipe.Input("b", folder.resolve("models/b.gguf")));
        assertThat(recipe.outputs()).extracting(Recipe.Output::name).containsExactly("Q8_0", "Q4_K_M");
        assertThat(recipe.outputs().get(1).options()).containsEntry("tensor_types", "ffn_down=Q6_K");
        assertThat(recipe.directory()).isEqualTo(folder.resolve("out"));
        assertThat(recipe.reports().html()).contains(folder.resolve("out/report.html"));
        assertThat(recipe.gates().get("a/Q8_0"))
                .extracting(BatchGate::text)
                .containsExactly("size<=4GB", "kld<=0.03", "same_top>=91%", "ppl_increase< 2%");
        assertThat(recipe.gates().get("b/Q4_K_M")).extracting(BatchGate::text).containsExactly("size<=4GB");
    }

    @Test
    void variablesAndWildcards() throws Exception {
        String text = """
            version: 1
            sources: ["${MODELS}/*"]
            outputs: [F16]
            output: ${EMPTY:-made}/$$x
            """;
        Recipe recipe = read(text);
        assertThat(recipe.sources()).extracting(Recipe.Input::name).containsExactly("a", "b");
        assertThat(recipe.directory()).isEqualTo(folder.resolve("made/$x"));
    }

    @Test
    void jsonIsYaml() throws Exception {
        assertThat(read("{\"version\": 1, \"sources\": [\"models/a\"], \"outputs\": [\"F16\"]}")
                        .outputs())
                .hasSize(1);
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                Arguments.of(GOOD.replace("Q8_0\n", "Q8_1\n"), ":4:5: outputs[0]: expected one of F32, F16"),
                Arguments.of(GOOD.replace("version: 1", "version: 2"), ":1:1: version: expected 1, found 2"),
                Arguments.of(GOOD.replace("evaluation:", "evalation:"), ":6:1: evalation: expected one of version,"),
                Arguments.of(
                        GOOD.replace("chunks: 4", "chunks: few"),
                        ":6:33: evaluation.chunks: expected a whole number, found \"few\""),
                Arguments.of(GOOD.replace("chunks: 4", "chunks: 0"), "evaluation.chunks: expected at least 1, found 0"),
                Arguments.of(GOOD.replace("type: Q4_K_M", "pure: true"), ":5:5: outputs[1]: expected a key 'type'"),
                Arguments.of(GOOD.replace("sources:", "#"), ":1:1: expected a key 'sources', found none"),
                Arguments.of(GOOD.replace("models/a,", "models/c,"), "sources[0]: expected a file or directory, found"),
                Arguments.of(GOOD.replace("models/a,", "models/x*,"), "sources[0]: expected at least one match"),
                Arguments.of(
                        GOOD.replace("models/a,", "\"${NOWHERE}/a\","),
                        ":2:11: sources[0]: expected the environment variable NOWHERE, found none"),
                Arguments.of(GOOD.replace("models/a,", "models/$a,"), "expected ${NAME} or $$ after a dollar sign"),
                Arguments.of(GOOD.replace("models/a,", "{path: models/a, name: b},"), "would both be called b"),
                Arguments.of(GOOD.replace("Q4_K_M", "Q8_0"), ":5:5: outputs[1]: expected outputs with different names"),
                Arguments.of(GOOD.replace(": Q6_K}", ": Q6}"), "tensor_types.ffn_down: expected a tensor type"),
                Arguments.of(GOOD.replace("\"ffn_down\"", "\"ffn(\""), "expected a regular expression, found"),
                Arguments.of(GOOD.replace("text.txt", "none.txt"), ":6:22: evaluation.texts[0]: expected a text file"),
                Arguments.of(GOOD.replace("chunks: 4", "base: F16"), "evaluation.base: expected source or the name"),
                Arguments.of(GOOD.replace("  Q8_0: {kld", "  Q9_0: {kld"), ":9:3: gates.Q9_0: expected all, an output"),
                Arguments.of(GOOD.replace("kld: 0.03", "kldd: 0.03"), "is kld meant?"),
                Arguments.of(GOOD.replace("kld: 0.03", "kld: 3%"), ":9:10: gates.Q8_0.kld: gate 'kld: 3%': kld has no"),
                Arguments.of(GOOD.replace("91%", "91"), "gates.Q8_0.same_top: gate 'same_top: 91': expected a percent"),
                Arguments.of(GOOD.replace("evaluation:", "#"), "gates.Q8_0.kld: can only be measured with evaluation"),
                Arguments.of(GOOD.replace("kld: 0.03", "drift: {kld: 1%}"), "drift needs baseline"),
                Arguments.of(
                        GOOD.replace("kld: 0.03", "drift: {kld: much}") + "baseline: baseline.json\n",
                        "gates.Q8_0.drift.kld: expected a share such as 2% or 0.02, found 'much'"),
                target("target_size: 4XB", ":5:20: outputs[1].target_size: expected a size such as 4.2GB or 3900MiB"),
                target("target_size: 0.5", "target_size: expected 1 byte or more, less than 2^62, found '0.5'"),
                target("target_size: [1]", "target_size: expected a text or a number, found a list"),
                target("target_bpw: much", "target_bpw: expected a number, found \"much\""),
                target("target_bpw: 0", ":5:20: outputs[1].target_bpw: expected more than 0, found 0"),
                target("target_bpw: 33", "target_bpw: expected at most 32, found 33"),
                target("target_bpw: 4, target_size: 4GB", ":5:20: outputs[1].target_bpw: expected one target, found"),
                target("target_bpw: 4, pure: true", ":5:35: outputs[1].pure: expected none with a target"),
                target("target_bpw: 4, prune_layers: [1]", "prune_layers: expected none with a target, for which"),
                target("floors: {a: Q4_K}", "[1].floors: expected target_size or target_bpw, without which it is of"),
                target("save_tensor_types: true", "save_tensor_types: expected target_size or target_bpw, without"),
                target("target_bpw: 4, floors: {a: Q9}", "[1].floors.a: expected a tensor type such as Q6_K"),
                target("target_bpw: 4, floors: {\"(\": Q4_K}", "[1].floors.(: expected a regular expression, found"),
                target("target_bpw: 4, influence_chunks: 0", "influence_chunks: expected at least 1, found 0"),
                target("target_bpw: 4, influence_types: 1.5", "influence_types: expected a whole number, found 1.5"),
                target("target_bpw: 4, influence_text: no.txt", "influence_text: expected a text file, found none at"),
                target(
                        "target_bpw: 4",
                        ":5:20: outputs[1].target_bpw: expected a calibration with a text, on which types are tried, or"
                                + " an influence_text, found neither"),
                Arguments.of(
                        GOOD.replace("tensor_types: {\"ffn_down\": Q6_K}", "target_size: 4GB")
                                .replace("Q4_K_M", "F16"),
                        "outputs[1].target_size: expected a quantized type, that of most tensors such as Q4_K_M, found"
                                + " F16"),
                Arguments.of(GOOD + "version: 1\n", ":10:1: key \"version\" stands here twice, first at line 1"),
                Arguments.of(GOOD.replace("[text.txt]", "&a [*a]"), "expected a plain value, found an anchor or alias"),
                Arguments.of(GOOD + "---\nversion: 1\n", "expected one document, found a second"),
                Arguments.of("version: [1\n", "is not YAML: "),
                Arguments.of("", "expected a recipe, found an empty file"));
    }

    /** Keys of the second output, which begin in the 20th column of the fifth line. */
    private static Arguments target(String keys, String problem) {
        return Arguments.of(GOOD.replace("tensor_types: {\"ffn_down\": Q6_K}", keys), problem);
    }

    @Test
    void targets() throws Exception {
        String text = """
            version: 1
            sources: [models/a]
            outputs:
              - {type: Q4_K_M, name: a, target_size: 4.2GB, floors: {ffn: Q5_K, "": Q3_K}, influence_types: 3}
              - {type: Q4_K_M, name: b, target_size: 4000000, influence_text: text.txt, save_tensor_types: true}
              - {type: Q4_K_M, name: c, target_bpw: 4.5, influence_chunks: 2, method: search}
            calibration: {text: text.txt, context: 64}
            """;
        Recipe recipe = read(text);
        List<Recipe.Output> outputs = recipe.outputs();
        assertThat(outputs.get(0).options())
                .containsExactly(
                        Map.entry("target_size", "4200000000"),
                        Map.entry("floors", "ffn=Q5_K =Q3_K"),
                        Map.entry("influence_types", "3"));
        assertThat(outputs.get(1).options()).containsExactly(Map.entry("target_size", "4000000"));
        assertThat(outputs.get(1).target().orElseThrow())
                .returns("target_size 4000000", Recipe.Target::asked)
                .returns(true, Recipe.Target::saved);
        assertThat(outputs.get(2).options())
                .containsExactly(
                        Map.entry("method", "search"),
                        Map.entry("target_bpw", "4.5"),
                        Map.entry("influence_chunks", "2"));
        assertThat(outputs)
                .allSatisfy(output -> assertThat(recipe.influenceText(output)).contains(folder.resolve("text.txt")));
        assertThat(recipe.influenceContext()).isEqualTo(64);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatIsWrongIsSaidWithItsLine(String text, String problem) {
        assertThatThrownBy(() -> read(text))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(folder.resolve("recipe.yaml").toString())
                .hasMessageContaining(problem);
    }

    @Test
    void allProblemsAreNamedAtOnce() {
        String text = GOOD.replace("chunks: 4", "chunks: 0").replace("version: 1", "version: 2");
        assertThatThrownBy(() -> read(text))
                .satisfies(e -> assertThat(((InputException) e).hint())
                        .isEqualTo("and line 6: evaluation.chunks: expected at least 1, found 0"));
    }

    @Test
    void bytesThatAreNoTextAreRefused() throws Exception {
        Path file = folder.resolve("recipe.yaml");
        Files.write(file, new byte[] {'a', (byte) 0xff});
        assertThatThrownBy(() -> RecipeReader.read(file, Map.of())).hasMessageEndingWith("is not valid UTF-8");
        Files.write(file, new byte[(1 << 20) + 1]);
        assertThatThrownBy(() -> RecipeReader.read(file, Map.of()))
                .hasMessageEndingWith("expected a recipe of at most 1048576 bytes, found 1048577");
    }

    /** The schema's lists are written down; what they list lives in the code. */
    @Test
    void schemaKnowsEveryTypeAndQuantity() throws Exception {
        JsonNode schema = JsonMapper.builder()
                .build()
                .readTree(Path.of("formats/recipe.schema.json").toFile());
        List<String> types = schema.at("/$defs/file_type/enum")
                .valueStream()
                .map(JsonNode::asString)
                .toList();
        assertThat(types)
                .containsExactlyInAnyOrderElementsOf(
                        Arrays.stream(FileType.values()).map(Enum::name).toList());
        TreeSet<String> words =
                new TreeSet<>(schema.at("/$defs/gates/properties").propertyNames());
        words.remove("drift");
        assertThat(words)
                .containsExactlyInAnyOrderElementsOf(
                        Quantity.OF_PREDICTIONS.stream().map(Quantity::word).toList());
        assertThat(schema.at("/$defs/gates/properties/drift/properties").propertyNames())
                .containsExactlyInAnyOrderElementsOf(words);
    }

    @Test
    void schemaPathsAreReadable() {
        assertThat(new JsonSchema.Problem("/outputs/1/a~1b", "").path()).isEqualTo("outputs[1].a/b");
    }
}
