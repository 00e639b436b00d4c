package dev.quern.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Against what gguf-py 0.19.0 makes of the same ids (scripts/record-model-names). */
class ModelNameTest {
    private static final JsonNode RECORDED = JsonMapper.builder()
            .build()
            .readTree(Path.of("test-data/golden/model-names.json").toFile());

    static Stream<JsonNode> names() {
        return RECORDED.get("names").valueStream();
    }

    @ParameterizedTest
    @MethodSource("names")
    void readsIdsAsGgufPyDoes(JsonNode recorded) {
        ModelName name = ModelName.of(
                recorded.get("id").asString(), recorded.get("parameters").asLong());
        assertThat(name)
                .isEqualTo(new ModelName(
                        recorded.get("full").asString(),
                        text(recorded, "organization"),
                        text(recorded, "basename"),
                        text(recorded, "finetune"),
                        text(recorded, "version"),
                        text(recorded, "size")));
        assertThat(ModelName.title(name.fullName()))
                .isEqualTo(recorded.get("title").asString());
        assertThat(ModelName.fileName(
                        ModelName.title(name.fullName()),
                        name.basename().orElse(null),
                        name.sizeLabel().orElse(null),
                        name.finetune().orElse(null),
                        name.version().orElse(null),
                        "Q4_0"))
                .isEqualTo(recorded.get("file").asString());
    }

    @Test
    void labelsSizesAsGgufPyDoes() {
        RECORDED.get("sizes")
                .properties()
                .forEach(size -> assertThat(ModelName.sizeLabel(Long.parseLong(size.getKey())))
                        .as(size.getKey())
                        .isEqualTo(size.getValue().asString()));
    }

    private static Optional<String> text(JsonNode node, String field) {
        return node.get(field).isNull()
                ? Optional.empty()
                : Optional.of(node.get(field).asString());
    }
}
