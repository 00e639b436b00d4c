package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Codecs against recorded blocks of the reference: 19 awkward rows, for where its libraries are not. */
class GoldenBlocksTest {
    private static final Path BLOCKS = Path.of("test-data/golden/blocks.json");

    static List<QuantType> types() {
        return Stream.concat(CodecCases.TYPES.stream(), GridTypes.TYPES.stream())
                .filter(type -> type != QuantType.F32 && type != QuantType.F16)
                .toList();
    }

    @ParameterizedTest
    @MethodSource("types")
    void bytesAreTheRecordedOnes(QuantType type) throws IOException {
        JsonNode golden = JsonMapper.shared().readTree(Files.readString(BLOCKS));
        float[] importance = floats(golden.get("importance"));
        JsonNode outputs = golden.get("types").get(type.name()).get("outputs");
        assertThat(outputs.size()).isEqualTo(19);
        for (Kernel kernel : Kernel.values()) {
            BlockCodec codec = Codecs.create(type, kernel);
            for (var output : outputs.properties()) {
                float[] row = floats(golden.get("inputs").get(output.getKey()));
                for (var recorded : output.getValue().properties()) {
                    boolean weighted = recorded.getKey().equals("importance");
                    byte[] blocks = new byte[Math.toIntExact(type.bytesFor(row.length))];
                    codec.quantize(row, 0, row.length, weighted ? importance : null, blocks, 0);
                    byte[] expected =
                            Base64.getDecoder().decode(recorded.getValue().asString());
                    CodecCases.assertSame(
                            blocks, expected, type + " " + kernel + " " + output.getKey() + " " + recorded.getKey());
                }
            }
        }
    }

    private static float[] floats(JsonNode base64) {
        byte[] bytes = Base64.getDecoder().decode(base64.asString());
        float[] floats = new float[bytes.length / Float.BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(floats);
        return floats;
    }
}
