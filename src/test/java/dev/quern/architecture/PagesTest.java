package dev.quern.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
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
        {"extends": "qwen2", "titel": "a"}|titel: expected one of $schema, about, extends
        {"extends": "qwen2", "hyperparameters": {"layers": {"default": "3 +"}}}|"3 +" is no expression: the end is not expected
        {"extends": "qwen2", "metadata": [{"key": "a.b", "type": "uint32", "value": "deep"}]}|a.b: "deep" speaks of deep, which is not among
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["wide"], "huggingface": "b"}]}|a: "wide" speaks of wide
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["width"]}]}|a: the rule names no tensor of a checkpoint
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": [], "huggingface": "b"}]}|tensors[0].shape: expected something
        {"extends": "qwen2", "tensors": [{"name": "a", "shape": ["width"], "huggingface": "b", "transform": {"turn": 3}}]}|tensors[0].transform.turn: expected one of permute_rope
        {"extends": "qwen2", "metadata": [{"key": "a.b", "type": "uint33", "value": "1"}]}|metadata[0].type: expected one of uint32\
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
}
