package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Gates of single commands: an output gets its name when it meets them. */
class OutputGatesTest {
    private static final Path MODEL = Tampered.HUGGING_FACE;

    @TempDir
    Path folder;

    private Path text;
    private Path out;

    @BeforeEach
    void text() throws IOException {
        out = folder.resolve("m.gguf");
        // Two windows of 64 tokens and some more.
        text = Files.write(folder.resolve("text.txt"), Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
    }

    private Cli.Run convert(Object... more) {
        return Cli.run(Stream.concat(Stream.of("convert", MODEL, "-o", out, "--gate-ctx", 64), Arrays.stream(more))
                .toArray());
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void whatMeetsItsGatesIsPutInPlace() throws Exception {
        Cli.Run run = convert(
                "-t",
                "Q4_0",
                "--gate",
                "kld<=0.5",
                "--gate",
                "same_top: 10%",
                "--gate",
                "size<=4MB",
                "--gate-text",
                text);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).matches("""
            gate m\\.gguf: kld<=0\\.5: passed, [0-9.]+
            gate m\\.gguf: same_top>=10%: passed, [0-9.]+%
            gate m\\.gguf: size<=4MB: passed, 2\\.5[0-9]+MB
            """);
        assertThat(names()).containsExactly("m.gguf", "text.txt");
    }

    /** The verdicts are those of quern compare, on the finished file. */
    @Test
    void theFiguresAreThoseOfACompare() throws Exception {
        Cli.Run run = convert("-t", "Q4_0", "--gate", "kld<=0.5", "--gate", "ppl>1", "--gate-text", text, "--json");
        JsonNode gates = JsonMapper.builder().build().readTree(run.out()).get("gates");
        Cli.Run compared = Cli.run(
                "compare",
                "--base",
                MODEL,
                "-m",
                out,
                "-f",
                text,
                "-c",
                64,
                "--gate",
                "kld<=0.5",
                "--gate",
                "ppl>1",
                "--json",
                "--quiet");
        assertThat(compared.code()).as(compared.err()).isZero();
        JsonNode expected =
                JsonMapper.builder().build().readTree(compared.out()).at("/candidates/0/gates");
        assertThat(gates).hasSize(2).isEqualTo(expected);
    }

    @Test
    void whatDoesNotIsNot() throws Exception {
        Files.writeString(out, "old");
        Cli.Run run = convert(
                "-t",
                "Q4_0",
                "--gate",
                "kld<=0.0001",
                "--gate-text",
                text,
                "--force",
                "--resume",
                "--manifest",
                folder.resolve("m.sha256"),
                "--sha256sums",
                "--provenance",
                "--bom",
                folder.resolve("m.json"));
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out()).matches("gate m\\.gguf: kld<=0\\.0001: failed, [0-9.]+\n");
        assertThat(run.err()).contains("m.gguf: was not put in place, since a gate was not passed");
        // The old file stays, and nothing of the new one: no journal, no hashes of what is not there.
        assertThat(out).hasContent("old");
        assertThat(names()).containsExactly("m.gguf", "text.txt");

        Cli.Run json = convert("-t", "Q4_0", "--gate", "kld<=0.0001", "--gate-text", text, "--force", "--json");
        assertThat(json.code()).isEqualTo(4);
        JsonNode line = JsonMapper.builder().build().readTree(json.out());
        assertThat(line.get("written").asBoolean()).isFalse();
        assertThat(line.at("/gates/0/passed").asBoolean()).isFalse();

        Cli.Run kept = convert("-t", "Q4_0", "--gate", "kld<=0.0001", "--gate-text", text, "--force", "--keep-failed");
        assertThat(kept.code()).isEqualTo(4);
        assertThat(Files.size(out)).isGreaterThan(1_000_000);
    }

    /** Of several types each stands for itself. */
    @Test
    void onlyTheOneThatFailedIsMissing() throws Exception {
        out = folder.resolve("m-{ftype}.gguf");
        Cli.Run run = convert(
                "-t", "F16,Q8_0,Q2_K", "--gate", "kld<=0.02", "--gate", "size<6MB", "--gate-text", text, "--modelfile");
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out())
                .contains("gate m-f16.gguf: size<6MB: failed")
                .doesNotContain("gate m-f16.gguf: kld")
                .contains("gate m-q8_0.gguf: kld<=0.02: passed")
                .contains("gate m-q8_0.gguf: size<6MB: passed")
                .contains("gate m-q2_k.gguf: kld<=0.02: failed");
        assertThat(names()).containsExactly("m-q8_0.Modelfile", "m-q8_0.gguf", "text.txt");
    }

    /** A size is known before the first byte: nothing is read or written for a file that is too large. */
    @Test
    void aSizeIsJudgedFirst() throws Exception {
        Cli.Run run = convert("-t", "Q8_0", "--gate", "size<=4MB");
        assertThat(run.code()).isEqualTo(4);
        assertThat(run.out()).isEqualTo("gate m.gguf: size<=4MB: failed, 4.514MB\n");
        assertThat(names()).containsExactly("text.txt");
        Cli.Run plan = convert("-t", "Q8_0", "--gate", "size<=4MB", "--dry-run");
        assertThat(plan.code()).isEqualTo(4);
        assertThat(plan.out()).endsWith("gate m.gguf: size<=4MB: failed, 4.514MB\n");
        assertThat(convert("-t", "Q4_0", "--gate", "size<=4MB", "--dry-run").code())
                .isZero();
    }

    /** The parts of a split model are one output. */
    @Test
    void partsAreJudgedTogether() throws Exception {
        Cli.Run whole = convert("-t", "Q4_0", "--gate", "kld<=0.5", "--gate-text", text, "--json");
        Cli.Run parts =
                convert("-t", "Q4_0", "--gate", "kld<=0.5", "--gate-text", text, "--json", "--split-max-tensors", 20);
        assertThat(parts.code()).as(parts.err()).isZero();
        List<String> lines = parts.out().lines().toList();
        assertThat(lines).hasSize(2);
        JsonMapper mapper = JsonMapper.builder().build();
        assertThat(mapper.readTree(lines.getLast()).get("gates"))
                .isEqualTo(mapper.readTree(whole.out()).get("gates"));
        Files.delete(out);
        Cli.Run failed = convert(
                "-t", "Q4_0", "--gate", "kld<=0.0001", "--gate-text", text, "--split-max-tensors", 20, "--force");
        assertThat(failed.code()).isEqualTo(4);
        // Nor do the old parts go before the new ones are known to come.
        assertThat(names()).containsExactly("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "text.txt");
    }

    @Test
    void quantizeTakesThemToo() throws Exception {
        Path f16 = folder.resolve("f16.gguf");
        assertThat(Cli.run("convert", MODEL, "-o", f16, "--quiet").code()).isZero();
        Cli.Run run = Cli.run(
                "quantize",
                "--gate",
                "ppl_increase<=0.0001%",
                "--gate-text",
                text,
                "--gate-ctx",
                64,
                "--quiet",
                f16,
                out,
                "Q4_0");
        assertThat(run.code()).isEqualTo(4);
        assertThat(out).doesNotExist();
        assertThat(run.out()).startsWith("gate m.gguf: ppl_increase<=0.0001%: ");
    }

    @Test
    void whatCannotBeJudgedIsRefusedBeforeTheWork() throws Exception {
        assertThat(convert("--gate", "kld<=0.5").firstError())
                .isEqualTo("error: --gate: expected --gate-text TEXT to compare on; only size can be judged without");
        assertThat(convert("--gate", "size<=5MB", "--gate-text", text).firstError())
                .isEqualTo("error: --gate-text is of no use without a --gate that asks about more than size");
        assertThat(convert("--gate", "miles<=5").firstError())
                .startsWith("error: gate 'miles<=5': expected one of kld");
        assertThat(convert("--keep-failed").firstError()).isEqualTo("error: --keep-failed is of no use without --gate");
        assertThat(convert("--vocab-only", "--gate", "kld<1", "--gate-text", text)
                        .firstError())
                .isEqualTo("error: --gate: only the size of what is no whole model can be judged");
        Path tiny = Files.writeString(folder.resolve("tiny.txt"), "Too short.");
        Cli.Run run = convert("--gate", "kld<1", "--gate-text", tiny);
        assertThat(run.code()).isEqualTo(3);
        assertThat(run.firstError()).startsWith("error: " + tiny + ": ");
        assertThat(out).doesNotExist();
    }
}
