package dev.quern.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class PagesTest {
    private static final Path FOLDER = Path.of("formats/architectures");

    @TempDir
    Path folder;

    static List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(FOLDER)) {
            return files.filter(file -> file.toString().endsWith(".json"))
                    .filter(file -> !file.endsWith("pages.json") && !file.endsWith("page.schema.json"))
                    .sorted()
                    .toList();
        }
    }

    static List<Architecture> pages() {
        return Architecture.all();
    }

    /** The index says of each page what the page says. */
    @Test
    void theIndexIsThatOfThePages() {
        List<Architecture> pages = Architecture.all();
        assertThat(pages).hasSameSizeAs(Pages.index());
        for (int i = 0; i < pages.size(); i++) {
            Pages.Entry entry = Pages.index().get(i);
            assertThat(entry.gguf()).as(entry.page()).isEqualTo(pages.get(i).gguf());
            assertThat(entry.architectures())
                    .as(entry.page())
                    .isEqualTo(pages.get(i).architectures());
        }
    }

    @ParameterizedTest
    @MethodSource("files")
    void everyFileKeepsTheSchema(Path file) {
        assertThat(Pages.problems(JsonMapper.builder().build().readTree(file.toFile())))
                .isEmpty();
    }

    @ParameterizedTest
    @MethodSource("pages")
    void everyPageSpeaksOfWhatItDefines(Architecture page) {
        PageCheck.check(page);
        assertThat(page.architectures().isEmpty())
                .as("says nothing of checkpoints")
                .isEqualTo(page.tensors().isEmpty());
        for (Architecture.TensorRule rule : page.tensors()) {
            rule.transform()
                    .forEach(step -> assertThat(Stream.of(
                                            step.permuteRope(),
                                            step.regroup(),
                                            step.reshape(),
                                            step.transpose(),
                                            step.add(),
                                            step.negativeExponential())
                                    .filter(component -> component != null))
                            .as(rule.name())
                            .hasSize(1));
        }
    }

    @Test
    void everyArchitectureHasOnePage() {
        Set<String> seen = new HashSet<>();
        for (Architecture page : pages()) {
            page.architectures()
                    .forEach(name -> assertThat(seen.add(name)).as(name).isTrue());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        {"gguf": "x"}|the page has no "title"
        {"gguf": 4}|gguf: expected a text, found 4
        {"extends": "none"}|there is no page none to extend
        {"extends": "qwen2", "runners": ""}|runners: expected something
        {"extends": "qwen2", "titel": "a"}|titel: expected one of $schema, about, extends
        {"extends": "qwen2", "hyperparameters": {"layers": {"default": "3 +"}}}|"3 +" is no expression: the end is not expected
        {"extends": "qwen2", "metadata": [{"key": "a.b", "type": "uint32", "value": "deep"}]}|a.b: "deep" speaks of deep, which is not among
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["wide"], "huggingface": "b"}]}|a: "wide" speaks of wide
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["width"]}]}|a: the rule names no tensor of a checkpoint
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": [], "huggingface": "b"}]}|tensors[0].shape: expected something
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["width"], "huggingface": "b", "transform": {"turn": 3}}]}|tensors[0].transform.turn: expected one of permute_rope
        {"extends": "qwen2", "metadata": [{"key": "a.b", "type": "uint33", "value": "1"}]}|metadata[0].type: expected one of uint32
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "half", "activation": "silu_gated", "residal": "parallel"}}|forward.residal: expected one of norm, rope, activation, norms, weightless_norms, residual, feed_forward_norm, query_key_norm, attention, bidirectional, positions, token_types, embedding_norm, embedding_scale, attention_scale, logit_scale, full_attention_every, sliding_rope, only_sliding_turns, keys, constants, by_blocks; found 'residal'; is residual meant?
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "halves", "activation": "silu_gated"}}|forward.rope: expected one of interleaved, half, none; found "halves"; is half meant?
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "half"}}|forward: expected a key 'activation', found none
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "half", "activation": "silu", "full_attention_every": -1}}|forward.full_attention_every: expected at least 0, found -1
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "half", "activation": "silu", "constants": {"logit_scale": "2"}}}|forward.constants.logit_scale: expected a number, found "2"
        {"extends": "qwen2", "forward": {"norm": "rms", "rope": "half", "activation": "silu", "by_blocks": {"40": {"norm": "rmz", "rope": "half", "activation": "silu"}}}}|forward.by_blocks[40].norm: expected one of rms, layer; found "rmz"\
        """)
    void saysWhatIsWrongWithAPage(String text, String message) throws Exception {
        Path file = folder.resolve("page.json");
        Files.writeString(file, text);
        assertThatThrownBy(() -> Pages.read(file))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void aPageOfItsOwnTakesItsRulesFromAnother() throws Exception {
        Path file = folder.resolve("page.json");
        Files.writeString(file, """
            {"extends": "qwen2", "gguf": "mill", "title": "Mill", "architectures": ["MillForCausalLM"],
             "metadata": [{"key": "{arch}.rope.freq_base", "omit": true}, {"key": "{arch}.stones", "type": "uint32", "value": "2"}],
             "tensors": [{"name": "output_norm.weight", "shape": ["width"], "huggingface": "model.sieve.weight"}]}
            """);
        Architecture page = Pages.read(file);
        Architecture parent = Architecture.answering("Qwen2ForCausalLM").orElseThrow();
        assertThat(page.metadata()).hasSameSizeAs(parent.metadata());
        assertThat(page.metadata().getFirst().key()).isEqualTo("mill.block_count");
        assertThat(page.metadata().getLast().key()).isEqualTo("mill.stones");
        assertThat(page.tensors()).hasSameSizeAs(parent.tensors());
        assertThat(page.tensors().get(1).huggingface()).isEqualTo("model.sieve.weight");
        assertThat(page.forward()).isEqualTo(parent.forward());
    }

    /** The schema knows the switches that the forward pass knows, and all their values. */
    @Test
    void theSchemaHasTheSwitchesOfTheForwardPass() {
        JsonNode known = Pages.resource("page.schema").at("/$defs/forward/properties");
        assertThat(known.propertyNames())
                .containsExactlyElementsOf(Stream.of(ForwardPass.class.getRecordComponents())
                        .map(PagesTest::named)
                        .toList());
        for (RecordComponent component : ForwardPass.class.getRecordComponents()) {
            if (component.getType().isEnum()) {
                assertThat(known.path(named(component))
                                .path("enum")
                                .valueStream()
                                .map(value -> value.asString().toUpperCase(Locale.ROOT))
                                .toList())
                        .as(component.getName())
                        .isEqualTo(Stream.of(component.getType().getEnumConstants())
                                .map(Object::toString)
                                .toList());
            }
        }
    }

    /** {@code slidingRope} is {@code sliding_rope} in a page. */
    private static String named(RecordComponent component) {
        return component.getName().replaceAll("[A-Z]", "_$0").toLowerCase(Locale.ROOT);
    }
}
