package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The commands as a user types them: what they make, what they say, how they exit. */
class CommandsTest {
    @TempDir
    Path folder;

    private Path f16() {
        Path file = folder.resolve("f16.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", file, "--quiet")
                        .code())
                .isZero();
        return file;
    }

    /** The list of commands is set up by halves for speed; it must be what all commands say of themselves. */
    @Test
    void theHelpListsAllCommands() {
        Cli.Run run = Cli.run("--help");
        assertThat(run.code()).isZero();
        assertThat(run.out()).isEqualTo(Quern.commandLine().getUsageMessage());
        assertThat(Cli.run("-h").out()).isEqualTo(run.out());
        assertThat(Cli.run("--version").out()).startsWith("quern " + Version.text());
    }

    @Test
    void convertNamesItsOutputAsThePeerDoes() throws Exception {
        Path model = Tampered.copy(Tampered.HUGGING_FACE, folder);
        Cli.Run run = Cli.run("convert", model, "-t", "auto,Q4_0");
        assertThat(run.code()).isZero();
        assertThat(run.out()).isEmpty();
        assertThat(model.resolve("tolstoy-4M-F16.gguf")).exists();
        assertThat(model.resolve("tolstoy-4M-Q4_0.gguf")).exists();
        assertThat(run.err()).contains("Q4_0, 2.55 MB (2.43 MiB), 4.77 bits per weight");
    }

    @Test
    void convertFillsTheTypeIntoAName() {
        assertThat(Cli.run("convert", Tampered.META, "-t", "F16,Q8_0", "-o", folder.resolve("m-{ftype}.gguf"))
                        .code())
                .isZero();
        assertThat(folder.resolve("m-f16.gguf")).exists();
        assertThat(folder.resolve("m-q8_0.gguf")).exists();
        Cli.Run clash = Cli.run("convert", Tampered.META, "-t", "F16,Q8_0", "-o", folder.resolve("one.gguf"));
        assertThat(clash.code()).isEqualTo(2);
        assertThat(clash.firstError()).endsWith("several types need a directory that exists, or {ftype} in the name");
    }

    @Test
    void convertTakesAnotherNameAndOtherMetadata() throws Exception {
        Path overrides = folder.resolve("metadata.json");
        Files.writeString(overrides, "{\"general.author\": \"L. T.\", \"general.tags\": [\"novel\"]}");
        Path file = folder.resolve("named.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-o", file, "--model-name", "War", "--metadata", overrides)
                        .code())
                .isZero();
        JsonNode metadata = inspect(file).get("metadata");
        assertThat(metadata.get("general.name").asString()).isEqualTo("War");
        assertThat(metadata.get("general.author").asString()).isEqualTo("L. T.");
        assertThat(metadata.get("general.tags").get(0).asString()).isEqualTo("novel");
    }

    @Test
    void convertWritesAModelfile() throws Exception {
        Path file = folder.resolve("m-Q8_0.gguf");
        Cli.Run run = Cli.run("convert", Tampered.HUGGING_FACE, "-t", "Q8_0", "-o", file, "--modelfile");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(folder.resolve("m-Q8_0.Modelfile")).hasContent("FROM ./m-Q8_0.gguf\n");
        assertThat(run.err()).contains("note: left out: TEMPLATE: the checkpoint has no chat template");
        Files.delete(file);
        Cli.Run refused = Cli.run("convert", Tampered.HUGGING_FACE, "-t", "Q8_0", "-o", file, "--modelfile");
        assertThat(refused.code()).isEqualTo(2);
        assertThat(file).doesNotExist();
    }

    @Test
    void vocabularyAlone() throws Exception {
        Path file = folder.resolve("vocab.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "--vocab-only", "-o", file)
                        .code())
                .isZero();
        JsonNode json = inspect(file);
        assertThat(json.get("tensors")).isEmpty();
        assertThat(json.get("metadata").get("tokenizer.ggml.tokens")).hasSize(2048);
    }

    /** Configuration and tokenizer are what is downloaded to look at a vocabulary; the folder's name says the size. */
    @Test
    void vocabularyAloneNeedsNoWeights() throws Exception {
        Path whole = folder.resolve("whole.gguf");
        Path bare = folder.resolve("bare.gguf");
        Path directory = Files.createDirectories(folder.resolve("some").resolve("tolstoy-4m"));
        try (Stream<Path> files = Files.list(Tampered.HUGGING_FACE)) {
            for (Path file : files.filter(file -> !file.toString().contains(".safetensors"))
                    .toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        assertThat(Cli.run("convert", directory, "-o", bare).firstError())
                .startsWith("error: " + directory + ": no weight files");
        assertThat(bare).doesNotExist();
        Cli.run("convert", Tampered.HUGGING_FACE, "--vocab-only", "-o", whole);
        Cli.Run run = Cli.run("convert", directory, "--vocab-only", "-o", bare);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(Files.mismatch(bare, whole)).isEqualTo(-1);
    }

    @Test
    void dryRunSaysWhyAndWritesNothing() throws Exception {
        Cli.Run run =
                Cli.run("convert", Tampered.HUGGING_FACE, "-t", "Q4_K_M", "-o", folder.resolve("x.gguf"), "--dry-run");
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .containsPattern("output.weight +\\[2048, 256\\] +Q6_K +430080 +output")
                .containsPattern("blk.3.attn_v.weight +\\[128, 256\\] +Q6_K +\\d+ +more bits")
                .contains("Q4_K_M, 39 tensors, 4196608 parameters, 5.00 bits per weight, 2669920 bytes");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void quantizeTakesThePeersArguments() {
        Path in = f16();
        assertThat(Cli.run("quantize", in, "q5_1").code()).isZero();
        assertThat(folder.resolve("ggml-model-Q5_1.gguf")).exists();
        Path out = folder.resolve("out.gguf");
        assertThat(Cli.run("quantize", "--pure", in, out, "2", "1").code()).isZero();
        assertThat(inspect(out).get("tensors").toString()).doesNotContain("Q6_K");
        assertThat(Cli.run("quantize", in, folder.resolve("copy.gguf"), "COPY").code())
                .isZero();
        assertThat(folder.resolve("copy.gguf")).exists();
    }

    @Test
    void quantizeAgainOnlyWhenAllowed() {
        Path in = folder.resolve("q4.gguf");
        assertThat(Cli.run("convert", Tampered.HUGGING_FACE, "-t", "Q4_0", "-o", in)
                        .code())
                .isZero();
        Path out = folder.resolve("again.gguf");
        Cli.Run refused = Cli.run("quantize", in, out, "Q8_0");
        assertThat(refused.code()).isEqualTo(3);
        assertThat(refused.firstError())
                .isEqualTo("error: " + in
                        + ": tensor \"output.weight\": is already quantized (Q6_K), and would be again (Q8_0)");
        assertThat(out).doesNotExist();
        assertThat(Cli.run("quantize", "--allow-requantize", in, out, "Q8_0").code())
                .isZero();
    }

    @Test
    void perplexityOfAFileAndOfTheCheckpointItself() {
        List<Object> common = List.of("perplexity", "-f", Tampered.TEXT, "--chunks", "2", "--json", "--quiet", "-m");
        JsonNode file = json(Cli.run(with(common, f16())));
        JsonNode checkpoint = json(Cli.run(with(common, Tampered.HUGGING_FACE)));
        JsonNode meta = json(Cli.run(with(common, Tampered.META)));
        // Recorded from llama-perplexity: test-data/golden/perplexity.json.
        assertThat(file.get("perplexity").asDouble()).isBetween(49.1811 * (1 - 1e-4), 49.1811 * (1 + 1e-4));
        assertThat(checkpoint.get("perplexity")).isEqualTo(file.get("perplexity"));
        assertThat(meta.get("perplexity")).isEqualTo(file.get("perplexity"));
        assertThat(file.get("tokens_scored").asInt()).isEqualTo(510);
    }

    private static Object[] with(List<Object> arguments, Object last) {
        return Stream.concat(arguments.stream(), Stream.of(last)).toArray();
    }

    @Test
    void textThatIsNotUtf8IsNoted() throws Exception {
        Path text = folder.resolve("text");
        byte[] bytes = Files.readAllBytes(Tampered.TEXT);
        bytes[1000] = (byte) 0xff;
        Files.write(text, bytes);
        Cli.Run run = Cli.run("perplexity", "-m", Tampered.HUGGING_FACE, "-f", text, "-c", "64", "--chunks", "1");
        assertThat(run.code()).isZero();
        assertThat(run.firstError())
                .isEqualTo("note: " + text + ": byte 1000 is not UTF-8; such bytes are tokenized as llama.cpp does");
        assertThat(run.out()).startsWith("PPL = ");
    }

    @Test
    void inspectSaysWhatItIsAndWhatTypesWouldCost() {
        Cli.Run run = Cli.run("inspect", Tampered.META, "--tensors");
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("Meta checkpoint, architecture llama, 39 tensors, 4196608 parameters, 30 F16, 9 F32")
                .containsPattern("llama.attention.head_count_kv +4")
                .containsPattern("blk.2.ffn_down.weight +\\[256, 768\\] +F16")
                .containsPattern("Q4_0 +4.77 +25");
    }

    @Test
    void demoRunsTheWholeJob() throws Exception {
        Path out = folder.resolve("demo");
        Cli.Run run = Cli.run("demo", "-o", out, "--chunks", "3");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines().filter(line -> line.contains("Q4_0"))).hasSize(2);
        JsonNode results = JsonMapper.builder()
                .build()
                .readTree(Files.readString(out.resolve("demo.json")))
                .get("results");
        assertThat(results).hasSize(8);
        for (int i = 0; i < 4; i++) {
            // Both layouts hold the same weights.
            assertThat(results.get(i).get("perplexity"))
                    .isEqualTo(results.get(i + 4).get("perplexity"));
        }
        assertThat(Files.readString(out.resolve("demo.md")))
                .startsWith("| source ")
                .contains("| Meta checkpoint ");
    }

    @Test
    void usageErrorsExitWithTwo() {
        assertThat(Cli.run().code()).isEqualTo(2);
        assertThat(Cli.run("mill").code()).isEqualTo(2);
        Cli.Run type = Cli.run("convert", Tampered.META, "-t", "Q4_Z");
        assertThat(type.code()).isEqualTo(2);
        assertThat(type.firstError())
                .startsWith("error: -t: expected auto or one of F32, F16, Q4_0")
                .endsWith("found 'Q4_Z'");
        assertThat(Cli.run("quantize", "in.gguf", "out.gguf").code()).isEqualTo(2);
        assertThat(Cli.run("perplexity", "-m", Tampered.META).firstError()).contains("-f=TEXT");
        assertThat(Cli.run("--help").code()).isZero();
        assertThat(Cli.run("--version").out()).startsWith("quern 0.1.0");
    }

    private JsonNode inspect(Path file) {
        return json(Cli.run("inspect", "--json", file));
    }

    private static JsonNode json(Cli.Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        return JsonMapper.builder().build().readTree(run.out());
    }
}
