package dev.quern.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.quern.checkpoint.ModelConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Against torch's float32 (scripts/record-rope-factors). Its pow may differ in the last place, so the factors may too. */
class RopeFactorsTest {
    @TempDir
    Path folder;

    static Stream<JsonNode> cases() {
        return JsonMapper.builder()
                .build()
                .readTree(Path.of("test-data/golden/rope-factors.json").toFile())
                .get("cases")
                .valueStream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void stretchesLowFrequenciesAsTorchDoes(JsonNode recorded) throws Exception {
        Path file = folder.resolve("config.json");
        Files.writeString(
                file,
                "{\"rope_theta\": " + recorded.get("base") + ", \"original_max_position_embeddings\": "
                        + recorded.get("context") + ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": "
                        + recorded.get("factor") + ", \"low_freq_factor\": " + recorded.get("low")
                        + ", \"high_freq_factor\": " + recorded.get("high") + "}}");
        int head = recorded.get("head").asInt();
        float[] factors = RopeFactors.llama3("rope_freqs.weight", ModelConfig.read(file), head)
                .values();
        assertThat(factors).hasSize(head / 2);
        for (int i = 0; i < factors.length; i++) {
            float expected = recorded.get("factors").get(i).floatValue();
            assertThat(factors[i]).isCloseTo(expected, within(4 * Math.ulp(expected)));
        }
    }
}
