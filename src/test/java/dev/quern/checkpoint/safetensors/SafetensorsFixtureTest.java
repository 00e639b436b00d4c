package dev.quern.checkpoint.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import dev.quern.checkpoint.Hostile;
import dev.quern.io.MappedFile;
import dev.quern.tensor.TensorSource;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A file of the reference library, safetensors 0.8 (scripts/make-safetensors-fixtures), and the values torch has. */
class SafetensorsFixtureTest {
    private static final Path FILES = Path.of("test-data/safetensors");

    @Test
    void s45EveryTypeReadsAsTorchHasIt() {
        JsonNode values = new JsonMapper().readTree(FILES.resolve("values.json").toFile());
        try (MappedFile file = MappedFile.open(FILES.resolve("every-type.safetensors"))) {
            SafetensorsFile safetensors = Hostile.read(() -> SafetensorsFile.read(file));
            assertThat(safetensors.unreadable()).isEqualTo(Map.of("F4", "F4", "C64", "C64"));
            TreeSet<String> names = new TreeSet<>(safetensors.tensors().keySet());
            names.addAll(safetensors.unreadable().keySet());
            assertThat(names).isEqualTo(new TreeSet<>(values.propertyNames()));
            safetensors.tensors().forEach((name, source) -> assertSame(name, values.get(name), source));
        }
    }

    private static void assertSame(String name, JsonNode expected, TensorSource found) {
        boolean typed = !name.equals("scalar") && !name.equals("empty");
        assertThat(found.info().dtype()).as(name).hasToString(typed ? name : "F32");
        assertThat(found.info().shape())
                .as(name)
                .hasToString(expected.get("shape").toString().replace(",", ", "));
        float[] values = new float[(int) found.info().shape().elements()];
        found.readRows(0, (int) found.info().shape().rows(), values, 0);
        JsonNode bits = Objects.requireNonNull(expected.get("bits"));
        assertThat(values).as(name).hasSize(bits.size());
        for (int i = 0; i < values.length; i++) {
            assertThat(Float.floatToIntBits(values[i]))
                    .as("%s element %s", name, i)
                    .isEqualTo(bits.get(i).intValue());
        }
    }
}
