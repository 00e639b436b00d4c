package dev.quern.oracle;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** What a C function takes or returns, in a form that an annotation can hold. */
enum NativeType {
    VOID(null),
    BOOL(ValueLayout.JAVA_BOOLEAN),
    BYTE(ValueLayout.JAVA_BYTE),
    SHORT(ValueLayout.JAVA_SHORT),
    INT(ValueLayout.JAVA_INT),
    LONG(ValueLayout.JAVA_LONG),
    FLOAT(ValueLayout.JAVA_FLOAT),
    DOUBLE(ValueLayout.JAVA_DOUBLE),
    POINTER(ValueLayout.ADDRESS),
    MODEL_PARAMS(Structs.MODEL_PARAMS),
    CONTEXT_PARAMS(Structs.CONTEXT_PARAMS),
    QUANTIZE_PARAMS(Structs.QUANTIZE_PARAMS),
    BATCH(Structs.BATCH),
    GGUF_INIT_PARAMS(Structs.GGUF_INIT_PARAMS);

    private final @Nullable MemoryLayout layout;

    NativeType(@Nullable MemoryLayout layout) {
        this.layout = layout;
    }

    @Nullable
    MemoryLayout layout() {
        return layout;
    }
}
