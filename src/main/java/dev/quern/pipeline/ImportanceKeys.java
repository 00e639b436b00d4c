package dev.quern.pipeline;

import dev.quern.gguf.GgufValue;
import dev.quern.importance.ImportanceMatrix;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;

/** The keys by which llama-quantize records where the importance came from; texts are cut as there. */
public final class ImportanceKeys {
    /** llama.h's llama_model_kv_override holds texts in 128 bytes with a zero at the end. */
    public static final int LONGEST_OVERRIDE = 127;

    private ImportanceKeys() {}

    /** @param file the matrix's name as it shall be recorded; a matrix that was never a file has none */
    public static SequencedMap<String, GgufValue> of(Optional<String> file, ImportanceMatrix matrix) {
        LinkedHashMap<String, GgufValue> keys = new LinkedHashMap<>();
        file.ifPresent(name -> keys.put("quantize.imatrix.file", text(name)));
        if (!matrix.datasets().isEmpty()) {
            keys.put("quantize.imatrix.dataset", text(matrix.datasets().getFirst()));
        }
        keys.put(
                "quantize.imatrix.entries_count", GgufValue.u32(matrix.entries().size()));
        if (matrix.chunks() > 0) {
            keys.put("quantize.imatrix.chunks_count", GgufValue.u32(matrix.chunks()));
        }
        return keys;
    }

    private static GgufValue text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return new GgufValue.Text(Arrays.copyOf(bytes, Math.min(bytes.length, LONGEST_OVERRIDE)));
    }
}
