package dev.quern.checkpoint.ggml;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.io.MappedFile;
import dev.quern.tensor.Dequantized;
import dev.quern.tensor.Stored;
import dev.quern.tensor.TensorSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Files written after the published layouts by another program (scripts/make-ggml-fixtures), and what it put in. */
class GgmlFixturesTest {
    private static final Path FILES = Path.of("test-data/ggml");

    static Stream<String> files() {
        return values().propertyNames().stream();
    }

    private static JsonNode values() {
        return new JsonMapper().readTree(FILES.resolve("values.json").toFile());
    }

    @ParameterizedTest
    @MethodSource("files")
    void valuesAreThose(String name) {
        JsonNode expected = values().get(name);
        try (MappedFile file = MappedFile.open(FILES.resolve(name))) {
            Map<String, TensorSource> tensors = GgmlFile.read(file).tensors();
            assertThat(List.copyOf(tensors.keySet())).isEqualTo(List.copyOf(expected.propertyNames()));
            tensors.forEach((tensor, source) -> assertThat(valuesOf(source))
                    .as(tensor)
                    .isEqualTo(expected.get(tensor).get("values").stringValue()));
        }
    }

    private static String valuesOf(TensorSource source) {
        int rows = (int) source.info().shape().rows();
        int length = (int) source.info().shape().rowLength();
        float[] values = new float[rows * length];
        // The last row alone too, so that a start within the tensor is seen.
        source.readRows(0, rows - 1, values, 0);
        source.readRows(rows - 1L, 1, values, (rows - 1) * length);
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return sha256(bytes.array());
    }

    @ParameterizedTest
    @MethodSource("files")
    void blocksBecomeThoseOfToday(String name) {
        JsonNode expected = values().get(name);
        try (MappedFile file = MappedFile.open(FILES.resolve(name))) {
            GgmlFile.read(file).tensors().forEach((tensor, source) -> {
                JsonNode today = expected.get(tensor).get("gguf");
                if (today != null) {
                    assertThat(blocksOf(source)).as(tensor).isEqualTo(today.stringValue());
                }
            });
        }
    }

    private static String blocksOf(TensorSource source) {
        int rows = (int) source.info().shape().rows();
        byte[] out = new byte[1 << 20];
        return switch (source) {
            case Stored stored -> {
                stored.copyRows(0, rows, out);
                yield sha256(Arrays.copyOf(out, (int) stored.region().length()));
            }
            case Dequantized blocks -> {
                blocks.copyRows(0, rows, out);
                long elements = source.info().shape().elements();
                dev.quern.quantization.QuantType type = dev.quern.quantization.QuantType.fromName(blocks.encoding())
                        .orElseThrow();
                yield sha256(Arrays.copyOf(out, (int) type.bytesFor(elements)));
            }
            default -> throw new AssertionError(source);
        };
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "ggml-2.bin,GGML,false,2",
        "ggml-apart-3.bin,GGML,false,3",
        "ggmf-3.bin,GGMF v1,true,3",
        "ggjt-1-8.bin,GGJT v1,true,8",
        "ggjt-2-2.bin,GGJT v2,true,2",
        "ggjt-3-10.bin,GGJT v3,true,10"
    })
    void headersAreRead(String name, String version, boolean scores, int type) {
        try (MappedFile file = MappedFile.open(FILES.resolve(name))) {
            GgmlFile ggml = GgmlFile.read(file);
            assertThat(ggml.version()).hasToString(version);
            assertThat(ggml.hyperparameters()).isEqualTo(new GgmlFile.Hyperparameters(262, 32, 32, 2, 1, 16, type));
            assertThat(ggml.tokens()[3 + 'q']).containsExactly('q');
            assertThat(ggml.tokens()[261]).isEqualTo(" grüß".getBytes(java.nio.charset.StandardCharsets.UTF_8));
            assertThat(ggml.scores().isPresent()).isEqualTo(scores);
            ggml.scores()
                    .ifPresent(found ->
                            assertThat(Objects.requireNonNull(found)[261]).isEqualTo(-2));
        }
    }
}
