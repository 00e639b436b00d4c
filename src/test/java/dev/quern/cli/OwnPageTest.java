package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.pipeline.Family;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The page that formats/architectures/README.md shows, and a checkpoint that it describes. */
class OwnPageTest {
    private static final Pattern EXAMPLE = Pattern.compile("```json\n(.*?)```", Pattern.DOTALL);

    @TempDir
    Path folder;

    @Test
    void theExampleDoesWhatItSays() throws Exception {
        Matcher matcher = EXAMPLE.matcher(Files.readString(Path.of("formats/architectures/README.md")));
        assertThat(matcher.find()).isTrue();
        Path page = folder.resolve("mill.json");
        Files.writeString(page, matcher.group(1));
        Family mill = mill();
        Path checkpoint = mill.write(folder);
        Path out = folder.resolve("mill.gguf");
        Cli.Run run = Cli.run("convert", checkpoint, "--architecture", page, "-t", "F32", "-o", out);
        assertThat(run.err()).doesNotContain("error");
        assertThat(run.code()).isZero();
        try (GgufFile gguf = GgufFile.open(out)) {
            assertThat(gguf.metadata().integer("qwen2.stones")).hasValue(7);
            ByteArrayOutputStream parts = new ByteArrayOutputStream();
            for (String name : List.of("blk.1.attn_q.weight", "blk.1.attn_k.weight", "blk.1.attn_v.weight")) {
                parts.writeBytes(gguf.region(name)
                        .bytes(
                                0,
                                Math.toIntExact(
                                        Objects.requireNonNull(gguf.tensors().get(name))
                                                .bytes())));
            }
            assertThat(parts.toByteArray())
                    .isEqualTo(Family.bytes("model.layers.1.self_attn.qkv.weight", "F32", 128 * 64, false));
            assertThat(gguf.region("output_norm.weight").bytes(0, 64 * 4))
                    .isEqualTo(Family.bytes("model.sieve.weight", "F32", 64, true));
        }
    }

    @Test
    void withoutItsPageTheNearestIsNamed() throws Exception {
        Cli.Run run = Cli.run("convert", mill().write(folder));
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.err())
                .contains("architecture \"MillForCausalLM\" is not known; fields: ", "num_stones", "model.sieve.weight")
                .contains("the nearest page is ", "--architecture PAGE.json");
    }

    /** What a page says of runners stands at the end, and not where nothing but results is wanted. */
    @Test
    void whatRunnersCannotDoIsSaid() throws Exception {
        Path page = folder.resolve("mill.json");
        Matcher matcher = EXAMPLE.matcher(Files.readString(Path.of("formats/architectures/README.md")));
        assertThat(matcher.find()).isTrue();
        Files.writeString(page, matcher.group(1).replace("\"title\"", "\"runners\": \"no mill runs it\", \"title\""));
        Path checkpoint = mill().write(folder);
        Path out = folder.resolve("mill.gguf");
        Cli.Run run = Cli.run("convert", checkpoint, "--architecture", page, "-o", out);
        assertThat(run.code()).isZero();
        assertThat(run.err().strip()).endsWith("\nnote: no mill runs it");
        assertThat(run.out()).isEmpty();
        Cli.Run plan = Cli.run("convert", checkpoint, "--architecture", page, "-o", out, "--dry-run");
        assertThat(plan.err().strip()).endsWith("note: no mill runs it");
        Cli.Run quiet = Cli.run("convert", checkpoint, "--architecture", page, "-o", out, "--quiet", "--force");
        assertThat(quiet.code()).isZero();
        assertThat(quiet.err()).isEmpty();
        // The file is one of Qwen 2, of which there is nothing to say.
        Cli.Run again = Cli.run("quantize", out, folder.resolve("mill-q8.gguf"), "Q8_0");
        assertThat(again.code()).isZero();
        assertThat(again.err()).doesNotContain("note:");
    }

    @Test
    void ofGptJItIsSaidThatLlamaCppDoesNotComputeIt() throws Exception {
        Path converted = folder.resolve("gptj.gguf");
        Cli.Run run = Cli.run("convert", Family.of("gptj").write(folder), "-o", converted);
        assertThat(run.code()).isZero();
        assertThat(run.err()).contains("note: llama.cpp v0.5.0 has names for GPT-J's tensors and does not compute it");
        Cli.Run quantized = Cli.run("quantize", converted, folder.resolve("gptj-q4.gguf"), "Q4_K_M");
        assertThat(quantized.code()).isZero();
        assertThat(quantized.err()).contains("note: llama.cpp v0.5.0 has names for GPT-J's tensors");
        Cli.Run verified = Cli.run("verify", folder.resolve("gptj-q4.gguf"), "--against", folder.resolve("tiny-gptj"));
        assertThat(verified.code()).isZero();
    }

    @Test
    void aPageThatIsNoneIsRefused() throws Exception {
        Path page = folder.resolve("mill.json");
        Files.writeString(page, "{\"extends\": \"qwen2\", \"metadat\": []}");
        Cli.Run run = Cli.run("convert", mill().write(folder), "--architecture", page);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + page + ": metadat: expected one of ");
    }

    /** Qwen 2's tiny model in F32, with the names of the example. */
    private static Family mill() {
        ObjectNode recorded = (ObjectNode) Family.of("qwen2").recorded().deepCopy();
        ((ObjectNode) recorded.get("config"))
                .put("num_stones", 7)
                .putArray("architectures")
                .add("MillForCausalLM");
        ArrayNode tensors = JsonMapper.builder().build().createArrayNode();
        for (JsonNode tensor : recorded.get("tensors")) {
            String name = tensor.get(0).asString();
            if (name.endsWith("k_proj.weight") || name.endsWith("v_proj.weight")) {
                continue;
            }
            ArrayNode changed = tensors.addArray();
            changed.add(name.replace("model.norm.", "model.sieve.").replace("q_proj.weight", "qkv.weight"))
                    .add("F32");
            if (name.endsWith("q_proj.weight")) {
                changed.addArray().add(128).add(64);
            } else {
                changed.add(tensor.get(2));
            }
        }
        recorded.set("tensors", tensors);
        return new Family("mill", recorded);
    }
}
