package dev.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufModel;
import dev.quern.gguf.GgufValue;
import dev.quern.oracle.LlamaCpp;
import dev.quern.oracle.LlamaModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What outputs say of where they come from: in their keys, in a statement for signing, in a bill of materials. */
class ProvenanceTest {
    private static final Path MODEL = Tampered.HUGGING_FACE.toAbsolutePath();
    private static final Path MATRIX = Path.of("test-data/golden/imatrix.gguf");

    /** Everything that is read of the bundled checkpoint; its other files are not. */
    private static final List<String> FILES = List.of(
            "README.md",
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json");

    @TempDir
    Path folder;

    private Cli.Run run(Object... arguments) {
        Cli.Run run = Cli.run(arguments);
        assertThat(run.code()).as(run.err()).isZero();
        return run;
    }

    /** The tool that everybody has, not the code under test. */
    private static String sha256sum(Path file) throws Exception {
        Process process = new ProcessBuilder("sha256sum", "-b", file.toString()).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return said.substring(0, 64);
    }

    private static Map<String, List<String>> keys(Path file) {
        try (GgufModel model = GgufModel.open(file)) {
            Map<String, List<String>> keys = new TreeMap<>();
            model.metadata().asMap().forEach((key, value) -> {
                if (key.startsWith("quern.")) {
                    keys.put(key, texts(value));
                }
            });
            return keys;
        }
    }

    private static List<String> texts(GgufValue value) {
        return switch (value) {
            case GgufValue.Text text -> List.of(text.text());
            case GgufValue.Texts texts ->
                IntStream.range(0, texts.size()).mapToObj(texts::text).toList();
            default -> throw new AssertionError(value.type());
        };
    }

    private static JsonNode json(Path file) throws IOException {
        return JsonMapper.builder().build().readTree(Files.readAllBytes(file));
    }

    @Test
    void theKeysNameEveryFileThatWasRead() throws Exception {
        Path out = folder.resolve("m.gguf");
        run("convert", MODEL, "-t", "Q4_K_M", "-o", out, "--pure", "--imatrix", MATRIX, "--provenance", "--quiet");
        List<String> hashes = new ArrayList<>();
        for (String file : FILES) {
            hashes.add(sha256sum(MODEL.resolve(file)));
        }
        assertThat(keys(out))
                .isEqualTo(Map.of(
                        "quern.version",
                        List.of(Version.text()),
                        "quern.options",
                        List.of("type=Q4_K_M", "pure=true"),
                        "quern.source.files",
                        FILES,
                        "quern.source.sha256",
                        hashes,
                        "quern.imatrix.file",
                        List.of("imatrix.gguf"),
                        "quern.imatrix.sha256",
                        List.of(sha256sum(MATRIX))));
        // llama-quantize's own keys hold paths as they were typed; beside these they do not.
        try (GgufModel model = GgufModel.open(out)) {
            assertThat(model.metadata().text("quantize.imatrix.file")).contains("imatrix.gguf");
        }
        Cli.Run verified = Cli.run("verify", out, "--against", MODEL, "--imatrix", MATRIX);
        assertThat(verified.code()).as(verified.out()).isZero();
    }

    /** The keys are all that differs, and llama.cpp takes the file. */
    @Test
    void nothingElseDiffers() {
        Path plain = folder.resolve("plain.gguf");
        Path told = folder.resolve("told.gguf");
        run("convert", MODEL, "-t", "Q8_0", "-o", plain, "--quiet");
        run("convert", MODEL, "-t", "Q8_0", "-o", told, "--quiet", "--provenance");
        assertThat(keys(plain)).isEmpty();
        assertThat(run("hash", told).out().replace("told.gguf", ""))
                .isEqualTo(run("hash", plain).out().replace("plain.gguf", ""));
        LlamaCpp.require();
        try (LlamaModel model = LlamaCpp.load(told)) {
            assertThat(model.metadata()).containsEntry("quern.version", Version.text());
        }
    }

    @Test
    void theCalibrationTextIsNamed() throws Exception {
        Path text = folder.resolve("text.txt");
        Files.write(text, java.util.Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
        Path out = folder.resolve("m.gguf");
        run(
                "convert",
                MODEL,
                "-t",
                "Q2_K",
                "-o",
                out,
                "--calibrate",
                text,
                "--calibrate-ctx",
                64,
                "--provenance",
                "--quiet");
        assertThat(keys(out))
                .containsEntry("quern.calibration.file", List.of("text.txt"))
                .containsEntry("quern.calibration.sha256", List.of(sha256sum(text)))
                .containsEntry("quern.options", List.of("type=Q2_K", "calibrate_context=64"))
                .doesNotContainKey("quern.imatrix.file");
        try (GgufModel model = GgufModel.open(out)) {
            assertThat(model.metadata().text("quantize.imatrix.dataset")).contains("text.txt");
        }
    }

    /** Of two steps each names what it read: the second one's keys stand in the place of the first one's. */
    @Test
    void aSecondStepNamesTheFirstOnesFile() throws Exception {
        Path first = folder.resolve("f16.gguf");
        Path second = folder.resolve("q4.gguf");
        run("convert", MODEL, "-o", first, "--provenance", "--quiet");
        run("quantize", "--provenance", "--quiet", "--override-kv", "general.author=str:me", first, second, "Q4_0");
        assertThat(keys(second))
                .isEqualTo(Map.of(
                        "quern.version",
                        List.of(Version.text()),
                        "quern.options",
                        List.of("type=Q4_0", "override_kv general.author=str:me"),
                        "quern.source.files",
                        List.of("f16.gguf"),
                        "quern.source.sha256",
                        List.of(sha256sum(first))));
    }

    /** Of a split model the first file has all metadata. */
    @Test
    void onlyTheFirstPartHasThem() {
        run("convert", MODEL, "-o", folder.resolve("m.gguf"), "--split-max-tensors", 20, "--provenance", "--quiet");
        assertThat(keys(folder.resolve("m-00001-of-00002.gguf")))
                .containsEntry("quern.options", List.of("type=F16", "split_max_tensors=20"));
        try (var part = dev.quern.gguf.GgufFile.openPart(folder.resolve("m-00002-of-00002.gguf"))) {
            assertThat(part.metadata().asMap().keySet())
                    .containsExactlyInAnyOrder("split.no", "split.count", "split.tensors.count");
        }
    }

    private record Made(byte[] file, String statement, String bom) {}

    private static Object[] everything(Object model, Object matrix, Object directory) {
        return new Object[] {
            "convert",
            model,
            "-t",
            "Q4_K_M",
            "-o",
            directory + "/m.gguf",
            "--imatrix",
            matrix,
            "--provenance",
            "--attestation",
            directory + "/m.intoto.json",
            "--bom",
            directory + "/m.cdx.json",
            "--quiet"
        };
    }

    private static Made read(Path directory) throws IOException {
        return new Made(
                Files.readAllBytes(directory.resolve("m.gguf")),
                Files.readString(directory.resolve("m.intoto.json")),
                Files.readString(directory.resolve("m.cdx.json")));
    }

    /** Another directory, locale, time zone, user and number of threads: the same bytes, in which none of them is told. */
    @Test
    void equalInputsGiveEqualBytesAnywhere() throws Exception {
        run(everything(MODEL, MATRIX, folder));
        Made expected = read(folder);
        Path elsewhere = Files.createDirectory(folder.resolve("else where"));
        Tampered.copy(MODEL, elsewhere);
        Files.copy(MATRIX, elsewhere.resolve("imatrix.gguf"));
        ProcessBuilder other = Cli.process(everything("tolstoy-4m", "./imatrix.gguf", "."));
        List<String> command = new ArrayList<>(other.command());
        command.addAll(1, List.of("-Duser.language=tr", "-Duser.country=TR", "-Duser.name=somebody"));
        command.addAll(List.of("--threads", "1"));
        other.command(command).directory(elsewhere.toFile()).redirectErrorStream(true);
        other.environment().putAll(Map.of("TZ", "Asia/Kathmandu", "LC_ALL", "C", "HOME", "/nowhere"));
        Process process = other.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(said).isZero();
        Made made = read(elsewhere);
        assertThat(made.file()).isEqualTo(expected.file());
        assertThat(made.statement()).isEqualTo(expected.statement());
        assertThat(made.bom()).isEqualTo(expected.bom());
        String year =
                Integer.toString(java.time.Year.now(java.time.ZoneOffset.UTC).getValue());
        String keys = keys(folder.resolve("m.gguf")).toString();
        for (String text : List.of(keys, expected.statement(), expected.bom())) {
            assertThat(text)
                    .doesNotContain(folder.toString())
                    .doesNotContain("tolstoy-4m/")
                    .doesNotContain(System.getProperty("user.name"))
                    .doesNotContain(java.net.InetAddress.getLocalHost().getHostName())
                    .doesNotContainPattern(year + "-\\d\\d-\\d\\d");
        }
    }

    /** Ended by a signal and gone on with: what an undisturbed run makes, keys and all. */
    @Test
    void goneOnWithItIsTheSame() throws Exception {
        Path expected = folder.resolve("expected.gguf");
        run("convert", MODEL, "-t", "Q4_K_M", "-o", expected, "--provenance", "--quiet");
        Path directory = Files.createDirectory(folder.resolve("out"));
        Path out = directory.resolve("m.gguf");
        Object[] arguments = {
            "convert",
            MODEL,
            "-t",
            "Q4_K_M",
            "-o",
            out,
            "--provenance",
            "--resume",
            "--kernel",
            "scalar",
            "--threads",
            1
        };
        Process process = Cli.process(arguments)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        while (process.isAlive() && checkpoints(directory) < 3) {
            Thread.sleep(2);
        }
        process.destroyForcibly();
        process.waitFor();
        Cli.Run again = run(arguments);
        assertThat(again.firstError()).contains("goes on where an interrupted run stopped");
        assertThat(out).hasSameBinaryContentAs(expected);
    }

    private static int checkpoints(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                if (file.toString().endsWith(".journal")) {
                    return Files.readAllLines(file).size();
                }
            }
        }
        return 0;
    }

    /** Statement v1 (in-toto) around provenance v1 (SLSA), as their specifications name the fields. */
    @Test
    void theStatementIsReadyForSigning() throws Exception {
        Path statement = folder.resolve("m.intoto.json");
        run(
                "convert",
                MODEL,
                "-t",
                "F16,Q8_0",
                "-o",
                folder.resolve("m-{ftype}.gguf"),
                "--attestation",
                statement,
                "--quiet");
        JsonNode root = json(statement);
        assertThat(root.get("_type").asString()).isEqualTo("https://in-toto.io/Statement/v1");
        assertThat(root.get("predicateType").asString()).isEqualTo("https://slsa.dev/provenance/v1");
        assertThat(digests(root.get("subject")))
                .isEqualTo(Map.of(
                        "m-f16.gguf", sha256sum(folder.resolve("m-f16.gguf")),
                        "m-q8_0.gguf", sha256sum(folder.resolve("m-q8_0.gguf"))));
        JsonNode definition = root.get("predicate").get("buildDefinition");
        assertThat(definition.get("buildType").asString()).startsWith("https://");
        assertThat(definition.at("/externalParameters/outputs/m-q8_0.gguf/type").asString())
                .isEqualTo("Q8_0");
        Map<String, String> materials = new TreeMap<>();
        for (String file : FILES) {
            materials.put(file, sha256sum(MODEL.resolve(file)));
        }
        assertThat(digests(definition.get("resolvedDependencies"))).isEqualTo(materials);
        assertThat(root.at("/predicate/runDetails/builder/id").asString()).startsWith("https://");
        // The statement alone changes no file.
        assertThat(keys(folder.resolve("m-q8_0.gguf"))).isEmpty();
    }

    private static Map<String, String> digests(JsonNode descriptors) {
        return descriptors.values().stream()
                .collect(Collectors.toMap(
                        one -> one.get("name").asString(),
                        one -> one.at("/digest/sha256").asString()));
    }

    @Test
    void theBillOfMaterialsKeepsItsSchema() throws Exception {
        Path text = folder.resolve("text.txt");
        Files.write(text, java.util.Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
        Path model = Tampered.copy(MODEL, folder);
        Files.writeString(model.resolve("README.md"), "---\nlicense: mit\n---\n");
        Path bom = folder.resolve("m.cdx.json");
        Path out = folder.resolve("m.gguf");
        run(
                "convert",
                model,
                "-t",
                "Q2_K",
                "-o",
                out,
                "--calibrate",
                text,
                "--calibrate-ctx",
                64,
                "--gate",
                "ppl<1000",
                "--gate-text",
                text,
                "--gate-ctx",
                64,
                "--bom",
                bom,
                "--quiet");
        JsonNode root = json(bom);
        assertThat(CycloneDxSchema.problems(root)).isEmpty();
        JsonNode output = root.at("/components/0");
        assertThat(output.at("/hashes/0/content").asString()).isEqualTo(sha256sum(out));
        assertThat(output.at("/licenses/0/license/name").asString()).isEqualTo("mit");
        assertThat(output.at("/modelCard/quantitativeAnalysis/performanceMetrics").values().stream()
                        .map(metric -> metric.get("type").asString()))
                .contains("kld", "ppl", "same_top");
        assertThat(root.at("/components").values().stream()
                        .map(component -> component.get("type").asString() + " "
                                + component.get("name").asString()))
                .contains("data text.txt", "file model.safetensors", "machine-learning-model m.gguf");
        // Whoever reads a schema that takes anything has checked nothing.
        JsonNode wrong = JsonMapper.builder()
                .build()
                .readTree(Files.readString(bom).replace("machine-learning-model", "miller"));
        assertThat(CycloneDxSchema.problems(wrong)).isNotEmpty();
    }

    @Test
    void statementsAreNoInputsAndNoOutputs() throws Exception {
        Path out = folder.resolve("m.gguf");
        Path there = Files.writeString(folder.resolve("there.json"), "mine");
        assertThat(Cli.run("convert", MODEL, "-o", out, "--bom", out).firstError())
                .isEqualTo("error: " + out + ": is another output");
        assertThat(Cli.run("convert", MODEL, "-o", out, "--bom", there, "--attestation", there, "--force")
                        .firstError())
                .isEqualTo("error: " + there + ": is another output");
        assertThat(Cli.run("convert", MODEL, "-o", out, "--bom", there).firstError())
                .isEqualTo("error: " + there + ": already exists");
        Path model = Tampered.copy(MODEL, folder);
        Path config = model.resolve("config.json");
        assertThat(Cli.run("convert", model, "-o", out, "--attestation", config, "--force")
                        .firstError())
                .isEqualTo("error: " + config + ": is the input " + config);
        assertThat(out).doesNotExist();
        assertThat(there).hasContent("mine");
    }

    /** The plan has the size that the file gets, without anything being read for it. */
    @Test
    void thePlanKnowsTheSize() throws Exception {
        Path out = folder.resolve("m.gguf");
        Object[] arguments = {"convert", MODEL, "-t", "Q8_0", "-o", out, "--provenance", "--json"};
        List<Object> dry = new ArrayList<>(List.of(arguments));
        dry.add("--dry-run");
        JsonNode plan = JsonMapper.builder().build().readTree(run(dry.toArray()).out());
        run(arguments);
        assertThat(plan.get("bytes").asLong()).isEqualTo(Files.size(out));
    }

    /** The recipe's field, on by default, and its statements; its file is the one that a single command makes. */
    @Test
    void recipesSayItToo() throws Exception {
        Path model = Tampered.copy(MODEL, folder);
        Path text = folder.resolve("text.txt");
        Files.write(text, java.util.Arrays.copyOf(Files.readAllBytes(Tampered.TEXT), 3000));
        Path recipe = folder.resolve("recipe.yaml");
        String lines = """
            version: 1
            sources: [tolstoy-4m]
            outputs: [Q8_0, {type: Q4_K_M, pure: true}]
            evaluation: {texts: [text.txt], context: 64, chunks: 2, tensor_errors: false}
            attestation: true
            bom: true
            """;
        Files.writeString(recipe, lines);
        run("run", recipe, "--quiet");
        Path made = folder.resolve("out/tolstoy-4m-Q4_K_M.gguf");
        Path single = folder.resolve("single.gguf");
        run("convert", model, "-t", "Q4_K_M", "--pure", "-o", single, "--provenance", "--quiet");
        assertThat(made).hasSameBinaryContentAs(single);
        Path statement = folder.resolve("out/tolstoy-4m.intoto.json");
        Path bom = folder.resolve("out/tolstoy-4m.cdx.json");
        assertThat(digests(json(statement).get("subject")))
                .containsEntry(made.getFileName().toString(), sha256sum(made));
        assertThat(CycloneDxSchema.problems(json(bom))).isEmpty();
        assertThat(json(bom)
                        .at("/components/1/modelCard/quantitativeAnalysis/performanceMetrics/0/slice")
                        .asString())
                .isEqualTo("text.txt");
        // A second time nothing changes.
        var before = Files.getLastModifiedTime(bom);
        run("run", recipe, "--quiet");
        assertThat(Files.getLastModifiedTime(bom)).isEqualTo(before);
        assertThat(Files.readString(folder.resolve("out/report.json"))).contains("\"up_to_date\"");

        Files.writeString(recipe, lines + "provenance: false\n");
        run("run", recipe, "--quiet");
        run("convert", model, "-t", "Q4_K_M", "--pure", "-o", single, "--quiet", "--force");
        assertThat(made).hasSameBinaryContentAs(single);
    }
}
