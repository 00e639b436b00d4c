package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Split models on the command line. */
class SplitTest {
    @TempDir
    Path folder;

    @BeforeEach
    void split() throws IOException {
        Files.createDirectory(folder.resolve("in"));
        ok("convert", Tampered.HUGGING_FACE, "-t", "F16", "--split-max-size", "3M", "-o", folder.resolve("in/m.gguf"));
    }

    private static Cli.Run ok(Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.code()).as(run.err()).isZero();
        return run;
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private Path part(int number) {
        return folder.resolve("in/m-0000" + number + "-of-00003.gguf");
    }

    private Path whole() {
        Path whole = folder.resolve("whole.gguf");
        ok("convert", Tampered.HUGGING_FACE, "-t", "F16", "-o", whole, "--quiet");
        return whole;
    }

    @Test
    void convertSplits() throws IOException {
        assertThat(names(folder.resolve("in")))
                .containsExactly("m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf");
        ok(
                "convert",
                Tampered.HUGGING_FACE,
                "-t",
                "F16,Q8_0",
                "--split-max-tensors",
                "30",
                "--no-tensor-first-split",
                "-o",
                Files.createDirectory(folder.resolve("two")) + "/{ftype}.gguf");
        assertThat(names(folder.resolve("two")))
                .containsExactly(
                        "f16-00001-of-00003.gguf",
                        "f16-00002-of-00003.gguf",
                        "f16-00003-of-00003.gguf",
                        "q8_0-00001-of-00003.gguf",
                        "q8_0-00002-of-00003.gguf",
                        "q8_0-00003-of-00003.gguf");
    }

    /** What the peer's writer makes of the same tensors (scripts/record-split). */
    @ParameterizedTest
    @CsvSource({
        "max-size-3M, --split-max-size 3M",
        "max-size-600K, --split-max-size 600k",
        "max-tensors-7, --split-max-tensors 7",
        "max-tensors-20-no-tensor-first, --split-max-tensors 20 --no-tensor-first-split"
    })
    void partsHaveTheBytesOfThePeers(String way, String options) throws Exception {
        Path out = Files.createDirectory(folder.resolve("out"));
        List<Object> line = new ArrayList<>(List.of("convert", Tampered.HUGGING_FACE, "-t", "F16", "--quiet"));
        line.addAll(List.of(options.split(" ")));
        line.addAll(List.of("-o", out.resolve("m.gguf")));
        ok(line.toArray());
        Map<String, String> digests = new LinkedHashMap<>();
        for (String name : names(out)) {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(out.resolve(name)));
            digests.put(name, HexFormat.of().formatHex(digest));
        }
        Map<String, String> recorded = new LinkedHashMap<>();
        JsonMapper.builder()
                .build()
                .readTree(Path.of("test-data/golden/split.json").toFile())
                .get("parts")
                .get(way)
                .properties()
                .forEach(part -> recorded.put(part.getKey(), part.getValue().asString()));
        assertThat(digests).isEqualTo(recorded);
    }

    @Test
    void whatFitsIsNotSplit() {
        Path out = folder.resolve("one.gguf");
        Cli.Run run = ok("convert", Tampered.HUGGING_FACE, "--split-max-size", "1G", "-o", out);
        assertThat(out).exists();
        assertThat(run.err()).contains("note: " + out + ": everything fits into one file; it is not split");
    }

    @Test
    void quantizeMergesOrKeeps() throws IOException {
        Path merged = folder.resolve("merged.gguf");
        Path plain = folder.resolve("plain.gguf");
        ok("quantize", "--quiet", part(3), merged, "Q4_K_M");
        ok("quantize", "--quiet", whole(), plain, "Q4_K_M");
        assertThat(merged).hasSameBinaryContentAs(plain);
        ok("quantize", "--quiet", "--keep-split", part(1), folder.resolve("k.gguf"), "Q4_K_M");
        assertThat(names(folder))
                .contains("k-00001-of-00003.gguf", "k-00002-of-00003.gguf", "k-00003-of-00003.gguf")
                .doesNotContain("k.gguf");
        ok("quantize", "--quiet", "--keep-split", part(1), "Q8_0");
        assertThat(folder.resolve("in/ggml-model-Q8_0-00003-of-00003.gguf")).exists();
    }

    /** A part's target that is there already: nothing is written, whichever part it is. */
    @Test
    void allPartsOrNone() throws IOException {
        Path taken = Files.createFile(folder.resolve("k-00003-of-00003.gguf"));
        List<String> before = names(folder);
        Cli.Run run = Cli.run("quantize", "--keep-split", part(1), folder.resolve("k.gguf"), "Q8_0");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).isEqualTo("error: " + taken + ": already exists");
        assertThat(names(folder)).isEqualTo(before);
        assertThat(taken).isEmptyFile();
    }

    @Test
    void inspectSeesTheWholeModel() {
        JsonNode parts = json(ok("inspect", "--json", part(2)));
        JsonNode one = json(ok("inspect", "--json", whole()));
        assertThat(parts.get("kind").asString()).isEqualTo("GGUF v3 in 3 parts");
        assertThat(parts.get("parameters")).isEqualTo(one.get("parameters"));
        assertThat(parts.get("tensors")).isEqualTo(one.get("tensors"));
        assertThat(parts.get("costs").get("Q4_K_M")).isEqualTo(one.get("costs").get("Q4_K_M"));
    }

    @Test
    void perplexityIsThatOfTheWholeModel() throws IOException {
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "He looked at the field and thought of the war. ".repeat(40));
        JsonNode parts = json(ok("perplexity", "-m", part(3), "-f", text, "-c", "64", "--json", "--quiet"));
        JsonNode one = json(ok("perplexity", "-m", whole(), "-f", text, "-c", "64", "--json", "--quiet"));
        assertThat(parts.get("perplexity")).isEqualTo(one.get("perplexity"));
    }

    @Test
    void missingPart() throws IOException {
        Files.delete(part(3));
        Cli.Run run = Cli.run("quantize", part(1), folder.resolve("x.gguf"), "Q8_0");
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError())
                .isEqualTo("error: " + part(3) + ": part 3 of 3 of m-00001-of-00003.gguf is missing");
    }

    @Test
    void wishesThatContradict() {
        refused("--split-max-size: expected a number of bytes", "--split-max-size", "3Q");
        refused("--split-max-tensors: expected a number of tensors", "--split-max-tensors", "-1");
        refused("--keep-split keeps the parts there are", "--keep-split", "--split-max-tensors", "3");
        refused("--vocab-only writes no tensors", "--vocab-only", "--split-max-size", "3M");
        refused("is a checkpoint; --keep-split keeps the parts of a split GGUF", "--keep-split");
    }

    private void refused(String message, String... options) {
        List<Object> line = new ArrayList<>(List.of("convert", Tampered.HUGGING_FACE));
        line.addAll(List.of(options));
        line.addAll(List.of("-o", folder.resolve("no.gguf")));
        Cli.Run run = Cli.run(line.toArray());
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err())
                .contains(message.substring(message.indexOf(": ") + 1).strip());
        assertThat(folder.resolve("no.gguf")).doesNotExist();
    }

    private static JsonNode json(Cli.Run run) {
        return JsonMapper.builder().build().readTree(run.out());
    }
}
