package dev.quern.oracle;

import static dev.quern.oracle.Structs.IMPORTANCE;
import static dev.quern.oracle.Structs.KEY_OVERRIDE;
import static dev.quern.oracle.Structs.QUANTIZE_PARAMS;
import static dev.quern.oracle.Structs.TENSOR_OVERRIDE;
import static dev.quern.oracle.Structs.offset;
import static dev.quern.oracle.Structs.set;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** What llama-quantize's options say beyond the file type. Each method answers this object, to be chained. */
public final class QuantizeOptions {
    private final Map<String, Boolean> switches = new LinkedHashMap<>();
    private final Map<String, Integer> types = new LinkedHashMap<>();
    private final Map<String, float[]> importance = new LinkedHashMap<>();
    private final Map<String, Integer> tensorTypes = new LinkedHashMap<>();
    private final Map<String, Object> metadata = new LinkedHashMap<>();
    private int[] prunedLayers = {};

    /** --allow-requantize */
    public QuantizeOptions allowRequantize() {
        switches.put("allow_requantize", true);
        return this;
    }

    /** --leave-output-tensor */
    public QuantizeOptions leaveOutputTensor() {
        switches.put("quantize_output_tensor", false);
        return this;
    }

    /** COPY in place of a type. */
    public QuantizeOptions onlyCopy() {
        switches.put("only_copy", true);
        return this;
    }

    /** --pure */
    public QuantizeOptions pure() {
        switches.put("pure", true);
        return this;
    }

    /** --keep-split */
    public QuantizeOptions keepSplit() {
        switches.put("keep_split", true);
        return this;
    }

    /** --output-tensor-type */
    public QuantizeOptions outputType(int ggmlType) {
        types.put("output_tensor_type", ggmlType);
        return this;
    }

    /** --token-embedding-type */
    public QuantizeOptions embeddingType(int ggmlType) {
        types.put("token_embedding_type", ggmlType);
        return this;
    }

    /** --imatrix: one value a column, or columns times experts, for a tensor's name. */
    public QuantizeOptions importance(String tensor, float[] values) {
        importance.put(tensor, values.clone());
        return this;
    }

    /** --tensor-type: the first pattern that is found in a name decides. */
    public QuantizeOptions tensorType(String regex, int ggmlType) {
        tensorTypes.put(regex, ggmlType);
        return this;
    }

    /** --prune-layers */
    public QuantizeOptions prune(int... layers) {
        prunedLayers = layers.clone();
        return this;
    }

    /** --override-kv, and what llama-quantize itself adds about an importance matrix: Long, Double, Boolean, String. */
    public QuantizeOptions metadata(String key, Object value) {
        metadata.put(key, value);
        return this;
    }

    void writeTo(MemorySegment params, Arena arena) {
        switches.forEach((field, on) -> set(QUANTIZE_PARAMS, params, field, on));
        types.forEach((field, type) -> set(QUANTIZE_PARAMS, params, field, type));
        // Every list ends with an entry of zeros, or with -1.
        if (!importance.isEmpty()) {
            set(QUANTIZE_PARAMS, params, "imatrix", importanceList(arena));
        }
        if (!tensorTypes.isEmpty()) {
            set(QUANTIZE_PARAMS, params, "tt_overrides", tensorTypeList(arena));
        }
        if (!metadata.isEmpty()) {
            set(QUANTIZE_PARAMS, params, "kv_overrides", metadataList(arena));
        }
        if (prunedLayers.length > 0) {
            int[] list = Arrays.copyOf(prunedLayers, prunedLayers.length + 1);
            list[prunedLayers.length] = -1;
            set(QUANTIZE_PARAMS, params, "prune_layers", arena.allocateFrom(JAVA_INT, list));
        }
    }

    private MemorySegment importanceList(Arena arena) {
        MemorySegment list = arena.allocate(IMPORTANCE, importance.size() + 1L);
        long at = 0;
        for (var entry : importance.entrySet()) {
            MemorySegment item = list.asSlice(at, IMPORTANCE);
            set(IMPORTANCE, item, "name", arena.allocateFrom(entry.getKey()));
            set(IMPORTANCE, item, "data", arena.allocateFrom(JAVA_FLOAT, entry.getValue()));
            set(IMPORTANCE, item, "size", (long) entry.getValue().length);
            at += IMPORTANCE.byteSize();
        }
        return list;
    }

    private MemorySegment tensorTypeList(Arena arena) {
        MemorySegment list = arena.allocate(TENSOR_OVERRIDE, tensorTypes.size() + 1L);
        long at = 0;
        for (var entry : tensorTypes.entrySet()) {
            MemorySegment item = list.asSlice(at, TENSOR_OVERRIDE);
            set(TENSOR_OVERRIDE, item, "pattern", arena.allocateFrom(entry.getKey()));
            set(TENSOR_OVERRIDE, item, "type", entry.getValue());
            at += TENSOR_OVERRIDE.byteSize();
        }
        return list;
    }

    private MemorySegment metadataList(Arena arena) {
        MemorySegment list = arena.allocate(KEY_OVERRIDE, metadata.size() + 1L);
        long at = 0;
        for (var entry : metadata.entrySet()) {
            MemorySegment item = list.asSlice(at, KEY_OVERRIDE);
            item.setString(offset(KEY_OVERRIDE, "key"), entry.getKey());
            long value = offset(KEY_OVERRIDE, "value");
            switch (entry.getValue()) {
                case Long number -> tagged(item, 0).set(JAVA_LONG, value, number);
                case Double number -> tagged(item, 1).set(JAVA_DOUBLE, value, number);
                case Boolean truth -> tagged(item, 2).set(JAVA_BOOLEAN, value, truth);
                case String text -> tagged(item, 3).setString(value, text);
                default -> throw new IllegalArgumentException(entry + " is no Long, Double, Boolean or String");
            }
            at += KEY_OVERRIDE.byteSize();
        }
        return list;
    }

    private static MemorySegment tagged(MemorySegment item, int tag) {
        set(KEY_OVERRIDE, item, "tag", tag);
        return item;
    }
}
