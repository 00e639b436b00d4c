package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.QuantizeOptions;
import dev.quern.pipeline.SizeTarget;
import dev.quern.quantization.FileType;
import dev.quern.quantization.QuantType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Types chosen for a size, on the bundled model: short trials on little text. */
class TargetSizeTest {
    private static final Path IMPORTANCE = Path.of("test-data/golden/imatrix.gguf");

    @TempDir
    Path folder;

    private Path text;
    private Path out;
    private Path f16;

    @BeforeEach
    void text() throws IOException {
        out = folder.resolve("m.gguf");
        f16 = folder.resolve("f16.gguf");
        text = Files.write(folder.resolve("text.txt"), Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
    }

    private static Cli.Run run(Object... line) {
        return Cli.run(line);
    }

    private static Object[] with(List<Object> first, Object... more) {
        return Stream.concat(first.stream(), Arrays.stream(more)).toArray();
    }

    /** A conversion whose trials are few. */
    private Cli.Run convert(Object... more) {
        return run(with(
                List.of(
                        "convert",
                        Tampered.HUGGING_FACE,
                        "-o",
                        out,
                        "--force",
                        "--imatrix",
                        IMPORTANCE,
                        "--influence-text",
                        text,
                        "--calibrate-ctx",
                        64,
                        "--influence-chunks",
                        2,
                        "--influence-types",
                        2),
                more));
    }

    private static JsonNode json(Cli.Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        return JsonMapper.builder().build().readTree(run.out());
    }

    @ParameterizedTest
    @CsvSource({"2.0MB, Q3_K_M", "2670144, Q4_K_M", "3000KiB, Q5_K_M", "7.5M, Q8_0"})
    void neverAboveTheTargetAndCloseToIt(String target, FileType type) throws IOException {
        JsonNode result = json(convert("--target-size", target, "-t", type, "--json"));
        long most = SizeTarget.FileBytes.parse(target).most();
        assertThat(Files.size(out)).isLessThanOrEqualTo(most).isGreaterThan(most - most / 100);
        assertThat(result.get("bytes").asLong()).isEqualTo(Files.size(out));
        JsonNode allocation = result.get("allocation");
        assertThat(allocation.get("bytes").asLong()).isEqualTo(Files.size(out));
        assertThat(allocation.get("bits_per_weight").asDouble())
                .isEqualTo(result.get("bits_per_weight").asDouble());
        assertThat(allocation.get("gap").asDouble()).isZero();
        Map<String, String> types = Cli.types(out);
        double sum = 0;
        for (JsonNode tensor : allocation.get("tensors")) {
            assertThat(types)
                    .containsEntry(
                            tensor.get("name").asString(), tensor.get("type").asString());
            sum += tensor.get("kld").asDouble();
        }
        assertThat(allocation.get("tensors").size()).isEqualTo(30);
        assertThat(allocation.get("kld").asDouble()).isEqualTo(sum, within(1e-12));
        double last = Double.POSITIVE_INFINITY;
        long size = 0;
        for (JsonNode point : allocation.get("frontier")) {
            assertThat(point.get("kld").asDouble()).isLessThanOrEqualTo(last);
            assertThat(point.get("bytes").asLong()).isGreaterThan(size);
            last = point.get("kld").asDouble();
            size = point.get("bytes").asLong();
        }
        assertThat(allocation.get("frontier").size()).isBetween(6, 11);
    }

    @Test
    void bitsPerWeight() {
        JsonNode result = json(convert("--target-bpw", 4.3, "--json"));
        assertThat(result.get("bits_per_weight").asDouble()).isBetween(4.25, 4.3);
        // Nobody named a type: the usual one nearest in size.
        assertThat(result.get("type").asString()).isEqualTo("Q3_K_M");
    }

    @Test
    void threadsDoNotMatter() throws IOException {
        Path one = folder.resolve("one.gguf");
        assertThat(convert("--target-size", "2.4MB", "-t", "Q4_K_M", "--threads", 1)
                        .code())
                .isZero();
        Files.move(out, one);
        assertThat(convert("--target-size", "2.4MB", "-t", "Q4_K_M", "--threads", 3)
                        .code())
                .isZero();
        assertThat(out).hasSameBinaryContentAs(one);
    }

    /** The saved file says it all: to Quern, and to the library. */
    @Test
    void savedTypesGiveTheSameFile() throws IOException {
        assertThat(run("convert", Tampered.HUGGING_FACE, "-o", f16, "--quiet").code())
                .isZero();
        Path types = folder.resolve("types.txt");
        List<Object> line = List.of("quantize", "--imatrix", IMPORTANCE, "--force", "--quiet");
        List<Object> chosen = List.of(
                "--influence-text",
                text,
                "--calibrate-ctx",
                64,
                "--influence-types",
                1,
                "--save-tensor-types",
                types,
                "--tensor-type",
                "blk.2.*down=Q8_0",
                "--leave-output-tensor",
                f16,
                out,
                "Q4_K_M");
        Cli.Run run = run(with(line, with(chosen, "--target-size", "2200KB")));
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(types).doesNotExist();
        run = run(with(line, with(chosen, "--target-size", "3500KB")));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(Cli.types(out))
                .containsEntry("blk.2.ffn_down.weight", "Q8_0")
                .containsEntry("output.weight", "F16");
        assertThat(new TreeMap<>(Cli.types(out)).values()).contains("Q4_K").hasSize(39);

        Path again = folder.resolve("again.gguf");
        assertThat(run(with(line, "--tensor-type-file", types, f16, again, "Q4_K_M"))
                        .code())
                .isZero();
        assertThat(again).hasSameBinaryContentAs(out);

        ImportanceMatrix matrix = ImportanceReader.read(IMPORTANCE);
        QuantizeOptions options = new QuantizeOptions();
        matrix.entries().forEach((name, entry) -> options.importance(name, entry.values()[0]));
        options.metadata("quantize.imatrix.file", IMPORTANCE.toString())
                .metadata("quantize.imatrix.dataset", matrix.datasets().getFirst())
                .metadata("quantize.imatrix.entries_count", (long)
                        matrix.entries().size())
                .metadata("quantize.imatrix.chunks_count", matrix.chunks());
        List<String> lines = Files.readAllLines(types);
        assertThat(lines).hasSize(30).contains("^output\\.weight$=F16", "^blk\\.2\\.ffn_down\\.weight$=Q8_0");
        for (String type : lines) {
            int equals = type.indexOf('=');
            options.tensorType(
                    type.substring(0, equals),
                    QuantType.fromName(type.substring(equals + 1)).orElseThrow().id());
        }
        Path theirs = folder.resolve("theirs.gguf");
        LlamaCpp.require().quantizeModel(f16, theirs, FileType.Q4_K_M.id(), 2, options);
        assertThat(out).hasSameBinaryContentAs(theirs);
    }

    @Test
    void whatTheUserSaysStays() {
        assertThat(convert(
                                "--target-size",
                                "3MB",
                                "-t",
                                "Q4_K_M",
                                "--output-tensor-type",
                                "Q5_0",
                                "--token-embedding-type",
                                "Q8_0",
                                "--tensor-type",
                                "blk.[01].attn_q=Q2_K",
                                "--floor",
                                "attn_k=Q6_K",
                                "--floor",
                                "Q3_K")
                        .code())
                .isZero();
        Map<String, String> types = Cli.types(out);
        assertThat(types)
                .containsEntry("output.weight", "Q5_0")
                .containsEntry("token_embd.weight", "Q8_0")
                .containsEntry("blk.0.attn_q.weight", "Q2_K")
                .containsEntry("blk.1.attn_q.weight", "Q2_K")
                .containsEntry("blk.0.attn_norm.weight", "F32");
        types.forEach((name, type) -> {
            double bits = QuantType.fromName(type).orElseThrow().bitsPerWeight();
            if (name.contains("attn_k")) {
                assertThat(bits).as(name).isGreaterThanOrEqualTo(QuantType.Q6_K.bitsPerWeight());
            } else if (!name.matches("blk.[01].attn_q.*")) {
                assertThat(bits).as(name).isGreaterThanOrEqualTo(QuantType.Q3_K.bitsPerWeight());
            }
        });
    }

    /** Gates judge what comes out, headers of provenance count, and parts count together. */
    @Test
    void whatElseThereIs() throws IOException {
        Path parts = folder.resolve("parts");
        Files.createDirectory(parts);
        Cli.Run run = run(
                "convert",
                Tampered.HUGGING_FACE,
                "-o",
                parts.resolve("m.gguf"),
                "-t",
                "Q4_K_M",
                "--calibrate",
                text,
                "--calibrate-ctx",
                64,
                "--influence-types",
                1,
                "--target-size",
                "2.6MB",
                "--provenance",
                "--split-max-size",
                "700K",
                "--gate",
                "size<=2.6MB",
                "--gate",
                "kld<=1",
                "--gate-text",
                text,
                "--gate-ctx",
                64);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("predicted KLD", "target")
                .containsPattern("gate m-00001-of-0000\\d\\.gguf: kld<=1: passed");
        long sum = 0;
        List<Path> files = new ArrayList<>();
        try (Stream<Path> found = Files.list(parts)) {
            for (Path file : found.toList()) {
                sum += Files.size(file);
                files.add(file);
            }
        }
        assertThat(files).hasSizeGreaterThan(3);
        assertThat(sum).isBetween(2_560_000L, 2_600_000L);
        run = run("inspect", files.stream().sorted().toList().getFirst(), "--json");
        assertThat(run.out()).contains("quern.").contains("2600000");
    }

    @Test
    void aDryRunSaysWhatItKnows() {
        Cli.Run run = convert("--target-size", "2.4MB", "-t", "Q4_K_M", "--dry-run");
        assertThat(run.code()).isZero();
        assertThat(run.err())
                .containsPattern("note: --target-size 2400000 decides after trying up to 60 types of 30 tensors on 2"
                        + " windows of 64 tokens, which a dry run does not; the types below are not the final ones\\."
                        + " Sizes from \\d{7} to \\d{7} bytes are possible");
        assertThat(out).doesNotExist();
        JsonNode plan = json(convert("--target-size", "2.4MB", "-t", "Q4_K_M", "--dry-run", "--json", "--quiet"));
        assertThat(plan.get("allocation").get("decided").asBoolean()).isFalse();
        assertThat(plan.get("allocation").get("tensors").size()).isEqualTo(30);
    }

    @Test
    void targetsThatCannotBe() {
        Cli.Run run = convert("--target-size", "1MB", "-t", "Q4_K_M");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError())
                .matches("error: test-data/models/tolstoy-4m: cannot be as small as --target-size 1000000: with every"
                        + " tensor at its smallest candidate above its floor it is 1[34]\\d{5} bytes");
        assertThat(run.err())
                .contains("hint: a larger target, or lower floors (--floor REGEX=TYPE; in a recipe floors:"
                        + " {REGEX: TYPE})");
        run = convert("--target-size", "9MB", "-t", "Q4_K_M");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError())
                .matches("error: test-data/models/tolstoy-4m: is 844\\d{4} bytes with every tensor as it is, which"
                        + " --target-size 9000000 leaves room for");
        run = convert("--target-bpw", 2, "-t", "Q4_K_M");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError())
                .contains("cannot be as small as --target-bpw 2.0")
                .contains("bits per weight");
        run = convert("--target-size", "3MB", "-t", "F16");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).contains("--target-size 3000000 needs a quantized TYPE, and F16 is none");
        run = convert("--target-size", "3MB", "-t", "Q4_K_M", "--tensor-type", "weight=Q4_0");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).contains("has no tensor whose type is left to --target-size 3000000");
        assertThat(out).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--target-size 3XB --calibrate t|expected a size such as 4.2GB or 3900MiB, found '3XB'",
                "--target-size 0.0001 --calibrate t|expected 1 byte or more, less than 2^62, found '0.0001'",
                "--target-size 3MB|--target-size 3000000: expected --calibrate TEXT, on which tensors are tried",
                "--target-size 3MB --target-bpw 4 --calibrate t|--target-size and --target-bpw: give one of them",
                "--target-bpw 0 --calibrate t|--target-bpw: expected bits such as 4.5, found 0.0",
                "--target-bpw 4 --pure --calibrate t|--pure is one type for all tensors, --target-bpw 4.0 a type for"
                        + " each",
                "--target-bpw 4 --prune-layers 1 --calibrate t|prune its layers first, in a run of its own",
                "--target-bpw 4 --influence-chunks 0 --calibrate t|--influence-types: expected at least 1",
                "--floor Q4_K|are of no use without --target-size or --target-bpw",
                "--target-bpw 4 --floor a=Q9 --calibrate t|expected a tensor type such as Q6_K, found 'Q9'",
                "--target-bpw 4 --floor (=Q4_K --calibrate t|not a regular expression",
            })
    void optionsThatCannotBe(String options, String message) {
        List<Object> line = new ArrayList<>(List.of("quantize"));
        for (String word : options.split(" ")) {
            line.add(word);
        }
        line.addAll(List.of("in.gguf", "out.gguf", "Q4_K_M"));
        Cli.Run run = run(line.toArray());
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).contains(message);
    }

    @Test
    void twoTypesHaveTwoSizes() {
        Cli.Run run = convert("--target-size", "3MB", "-t", "Q4_K_M,Q8_0");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.firstError()).contains("expected a whole model and one type");
    }
}
