package dev.quern.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.oracle.LlamaCpp;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The type table three times: the enum, the page under formats/, and ggml's own. */
class QuantTypeTest {
    private record Row(int id, String name, int blockLength, int blockBytes) {}

    private static final JsonNode PAGE = JsonMapper.shared().readTree(Path.of("formats", "ggml-types.json"));

    private static List<Row> page() {
        return StreamSupport.stream(PAGE.get("types").spliterator(), false)
                .map(type -> new Row(
                        type.get("id").asInt(),
                        type.get("name").asString(),
                        type.get("blockLength").asInt(),
                        type.get("blockBytes").asInt()))
                .toList();
    }

    @Test
    void thePageIsTheEnum() {
        List<Row> rows = new ArrayList<>();
        for (QuantType type : QuantType.values()) {
            rows.add(new Row(type.id(), type.name(), type.blockLength(), type.blockBytes()));
        }
        assertThat(page()).containsExactlyElementsOf(rows);
    }

    @Test
    void thePageIsGgmlsTable() {
        LlamaCpp library = LlamaCpp.require();
        List<Row> rows = new ArrayList<>();
        List<Integer> removed = new ArrayList<>();
        for (int id = 0; id < library.typeCount(); id++) {
            if (library.blockLength(id) == 0) {
                removed.add(id);
            } else {
                // ggml writes q4_K; every file and option of llama.cpp's writes Q4_K.
                String name = library.typeName(id).toUpperCase(Locale.ROOT);
                rows.add(new Row(id, name, library.blockLength(id), library.blockBytes(id)));
            }
        }
        assertThat(page()).containsExactlyElementsOf(rows);
        assertThat(StreamSupport.stream(PAGE.get("removed").spliterator(), false)
                        .map(type -> type.get("id").asInt()))
                .containsExactlyElementsOf(removed);
    }

    @Test
    void typesAreFoundByIdAndByNameInAnyCase() {
        for (QuantType type : QuantType.values()) {
            assertThat(QuantType.fromId(type.id())).hasValue(type);
            assertThat(QuantType.fromName(type.name())).hasValue(type);
        }
        assertThat(QuantType.fromName("q4_k")).hasValue(QuantType.Q4_K);
        assertThat(QuantType.fromName("Q4_K_M")).isEmpty();
        for (long none : new long[] {-1, 4, 5, 31, 36, 43, 1L << 32}) {
            assertThat(QuantType.fromId(none)).isEmpty();
        }
    }

    @Test
    void bytesAreCountedInWholeBlocks() {
        assertThat(QuantType.Q4_K.bytesFor(4096)).isEqualTo(2304);
        assertThat(QuantType.Q4_K.bitsPerWeight()).isEqualTo(4.5);
        assertThatThrownBy(() -> QuantType.Q8_0.bytesFor(33))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("33 values are not whole Q8_0 blocks of 32");
    }
}
