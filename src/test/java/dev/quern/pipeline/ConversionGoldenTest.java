package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.gguf.GgufFile;
import dev.quern.gguf.GgufTensor;
import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import dev.quern.importance.ImportanceReader;
import dev.quern.io.MappedFile;
import dev.quern.quantization.FileType;
import dev.quern.quantization.Kernel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The bundled model against files that llama.cpp's own tools made of it. */
class ConversionGoldenTest {
    private static final Path MODELS = Path.of("test-data/models");
    private static final JsonNode CONVERT = golden("convert.json");
    private static final JsonNode QUANTIZE = golden("quantize.json");
    private static final JsonNode WITH_IMPORTANCE = golden("quantize-imatrix.json");

    @TempDir
    Path folder;

    private static JsonNode golden(String name) {
        return JsonMapper.builder()
                .build()
                .readTree(Path.of("test-data/golden").resolve(name).toFile());
    }

    /** The second model's output matrix is its embedding. */
    @ParameterizedTest
    @CsvSource({
        "tolstoy-4m,convert.json,F32,f32",
        "tolstoy-4m,convert.json,F16,f16",
        "tolstoy-4m,convert.json,BF16,bf16",
        "tolstoy-4m,convert.json,Q8_0,q8_0",
        "addresses-3m,addresses-3m.json,F32,f32",
        "addresses-3m,addresses-3m.json,F16,f16",
        "addresses-3m,addresses-3m.json,BF16,bf16",
        "addresses-3m,addresses-3m.json,Q8_0,q8_0"
    })
    void convertsToTheBytesOfThePeersConverter(String model, String golden, FileType type, String peerName)
            throws Exception {
        Path file = convert(model, type);
        assertThat(digest(Files.readAllBytes(file)))
                .isEqualTo(golden(golden).get("file_sha256").get(peerName).asString());
    }

    @Test
    void writesThePeersMetadataInItsOrder() throws Exception {
        Path file = convert("tolstoy-4m", FileType.F16);
        try (GgufFile gguf = GgufFile.open(file)) {
            List<String> recorded = new ArrayList<>();
            CONVERT.get("metadata_f16")
                    .forEach(entry -> recorded.add(entry.get(0).asString()));
            assertThat(gguf.metadata().asMap().keySet()).containsExactlyElementsOf(recorded);
            assertThat(gguf.metadata().get("general.name")).contains(GgufValue.text("Tolstoy 4m"));
            assertThat(gguf.metadata().get("llama.attention.head_count_kv")).contains(GgufValue.u32(4));
        }
    }

    static Stream<FileType> recorded() {
        return recorded(QUANTIZE);
    }

    static Stream<FileType> recordedWithImportance() {
        return recorded(WITH_IMPORTANCE);
    }

    private static Stream<FileType> recorded(JsonNode golden) {
        return golden.get("types").propertyNames().stream().map(FileType::valueOf);
    }

    @ParameterizedTest
    @MethodSource("recorded")
    void quantizesToTheBytesOfLlamaQuantize(FileType type) throws Exception {
        isAsRecorded(type, QuantizationOptions.NONE, QUANTIZE);
    }

    @ParameterizedTest
    @MethodSource("recordedWithImportance")
    void quantizesWithImportanceToTheBytesOfLlamaQuantize(FileType type) throws Exception {
        ImportanceMatrix importance = ImportanceReader.read(Path.of("test-data/golden/imatrix.gguf"));
        isAsRecorded(type, QuantizationOptions.NONE.with(importance), WITH_IMPORTANCE);
    }

    private void isAsRecorded(FileType type, QuantizationOptions options, JsonNode golden) throws Exception {
        Path f16 = convert("tolstoy-4m", FileType.F16);
        Path file = folder.resolve(type + ".gguf");
        try (Source source = Source.open(f16)) {
            run(source, Quantization.plan(source, type, options), file);
        }
        JsonNode recorded = golden.get("types").get(type.name());
        Map<String, String> expected = new LinkedHashMap<>();
        recorded.get("tensors")
                .properties()
                .forEach(tensor -> expected.put(
                        tensor.getKey(),
                        tensor.getValue().get(0).asString() + " "
                                + tensor.getValue().get(1).asString()));
        assertThat(tensors(file)).containsExactlyEntriesOf(expected);
        if (recorded.has("file_sha256")) {
            assertThat(digest(Files.readAllBytes(file)))
                    .isEqualTo(recorded.get("file_sha256").asString());
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"Q4_0", "Q5_1", "Q6_K"})
    void onePassFromTheCheckpointGivesWhatTwoStepsGive(FileType type) throws Exception {
        Path file = folder.resolve("direct.gguf");
        try (Source source = Source.open(MODELS.resolve("tolstoy-4m"))) {
            run(source, Quantization.plan(source, type, QuantizationOptions.NONE), file);
        }
        assertThat(digest(Files.readAllBytes(file)))
                .isEqualTo(QUANTIZE.get("types")
                        .get(type.name())
                        .get("file_sha256")
                        .asString());
    }

    @ParameterizedTest
    @EnumSource(
            value = FileType.class,
            names = {"F32", "F16", "Q8_0", "Q4_0"})
    void metasLayoutGivesTheSameTensors(FileType type) throws Exception {
        assertThat(tensors(convert("tolstoy-4m-meta", type)))
                .containsExactlyEntriesOf(tensors(convert("tolstoy-4m", type)));
    }

    @Test
    void severalTypesInOnePassAreTheFilesOfSeveralPasses() throws Exception {
        List<FileType> types = List.of(FileType.F16, FileType.Q8_0, FileType.Q4_0);
        try (Source source = Source.open(MODELS.resolve("tolstoy-4m"))) {
            List<Conversion.Output> outputs = types.stream()
                    .map(type ->
                            new Conversion.Output(plan(source, type), folder.resolve("together-" + type + ".gguf")))
                    .toList();
            Conversion.run(outputs, List.of(), options(2));
        }
        for (FileType type : types) {
            assertThat(folder.resolve("together-" + type + ".gguf"))
                    .hasSameBinaryContentAs(convert("tolstoy-4m", type));
        }
    }

    @Test
    void theNumberOfThreadsDoesNotChangeTheBytes() throws Exception {
        for (int threads : new int[] {1, 2, 5}) {
            Path file = folder.resolve(threads + ".gguf");
            try (Source source = Source.open(MODELS.resolve("tolstoy-4m"))) {
                Conversion.run(
                        List.of(new Conversion.Output(plan(source, FileType.Q4_0), file)), List.of(), options(threads));
            }
            assertThat(digest(Files.readAllBytes(file)))
                    .isEqualTo(
                            QUANTIZE.get("types").get("Q4_0").get("file_sha256").asString());
        }
    }

    private Path convert(String model, FileType type) {
        Path file = folder.resolve(model + "-" + type + "-" + System.nanoTime() + ".gguf");
        try (Source source = Source.open(MODELS.resolve(model))) {
            run(source, plan(source, type), file);
        }
        return file;
    }

    private static OutputPlan plan(Source source, FileType type) {
        return CheckpointTypes.isDirect(type)
                ? CheckpointTypes.plan(source, type)
                : Quantization.plan(source, type, QuantizationOptions.NONE);
    }

    private static void run(Source source, OutputPlan plan, Path file) {
        Conversion.run(
                List.of(new Conversion.Output(plan, file)),
                source.model().files().stream().map(MappedFile::path).toList(),
                options(2));
    }

    private static Conversion.Options options(int threads) {
        return new Conversion.Options(threads, Kernel.SIMD, false, false, Progress.SILENT);
    }

    /** Name to "TYPE sha256 of the data", in file order. */
    private static Map<String, String> tensors(Path file) throws Exception {
        Map<String, String> tensors = new LinkedHashMap<>();
        try (GgufFile gguf = GgufFile.open(file)) {
            for (GgufTensor tensor : gguf.tensors().values()) {
                byte[] bytes = gguf.region(tensor.name()).bytes(0, Math.toIntExact(tensor.bytes()));
                tensors.put(tensor.name(), tensor.type() + " " + digest(bytes));
            }
        }
        return tensors;
    }

    private static String digest(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
