package dev.quern.oracle;

import static dev.quern.oracle.NativeFunctions.call;
import static dev.quern.oracle.NativeFunctions.run;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * A GGUF file as ggml's reader sees it, in the file's order. A metadata value is a Number as wide as the file's (unsigned
 * ones as the signed number of the same bits), a Boolean, a String, or a List of these.
 */
public record GgufContents(
        int version, long alignment, long dataOffset, SequencedMap<String, Object> metadata, List<Tensor> tensors) {

    /** The shape has four dimensions, fastest first; the offset counts from the start of the data. */
    public record Tensor(String name, int ggmlType, List<Long> shape, long offset, long bytes) {}

    private static final int STRING = 8;
    private static final int ARRAY = 9;

    static GgufContents read(LlamaCpp library, Path file) {
        Gguf gguf = library.gguf();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = arena.allocate(Structs.GGUF_INIT_PARAMS);
            Structs.set(Structs.GGUF_INIT_PARAMS, params, "no_alloc", true);
            MemorySegment path = arena.allocateFrom(file.toString());
            library.log().drain();
            MemorySegment context = call(() -> (MemorySegment) gguf.open().invokeExact(path, params));
            LlamaCpp.require(
                    !context.equals(MemorySegment.NULL),
                    file + ": " + library.log().drain());
            try {
                return new GgufContents(
                        call(() -> (int) gguf.version().invokeExact(context)),
                        call(() -> (long) gguf.alignment().invokeExact(context)),
                        call(() -> (long) gguf.dataOffset().invokeExact(context)),
                        metadata(gguf, context),
                        tensors(gguf, context));
            } finally {
                run(() -> {
                    gguf.free().invokeExact(context);
                });
            }
        }
    }

    private static SequencedMap<String, Object> metadata(Gguf gguf, MemorySegment context) {
        SequencedMap<String, Object> metadata = new LinkedHashMap<>();
        long count = call(() -> (long) gguf.keys().invokeExact(context));
        for (long i = 0; i < count; i++) {
            long key = i;
            MemorySegment name = call(() -> (MemorySegment) gguf.key().invokeExact(context, key));
            int type = call(() -> (int) gguf.valueType().invokeExact(context, key));
            metadata.put(
                    LlamaCpp.text(name),
                    switch (type) {
                        case STRING ->
                            LlamaCpp.text(call(() -> (MemorySegment) gguf.text().invokeExact(context, key)));
                        case ARRAY -> array(gguf, context, key);
                        default ->
                            scalar(type, call(() -> (MemorySegment) gguf.value().invokeExact(context, key)), 0);
                    });
        }
        return Collections.unmodifiableSequencedMap(metadata);
    }

    private static List<Object> array(Gguf gguf, MemorySegment context, long key) {
        int type = call(() -> (int) gguf.elementType().invokeExact(context, key));
        long count = call(() -> (long) gguf.elements().invokeExact(context, key));
        List<Object> elements = new ArrayList<>();
        if (type == STRING) {
            for (long i = 0; i < count; i++) {
                long at = i;
                elements.add(LlamaCpp.text(
                        call(() -> (MemorySegment) gguf.elementText().invokeExact(context, key, at))));
            }
        } else {
            MemorySegment data = call(() -> (MemorySegment) gguf.elementData().invokeExact(context, key));
            for (long i = 0; i < count; i++) {
                elements.add(scalar(type, data, i));
            }
        }
        return Collections.unmodifiableList(elements);
    }

    private static Object scalar(int type, MemorySegment pointer, long index) {
        MemorySegment data = pointer.reinterpret(Long.MAX_VALUE);
        return switch (type) {
            case 0, 1 -> data.getAtIndex(ValueLayout.JAVA_BYTE, index);
            case 2, 3 -> data.getAtIndex(ValueLayout.JAVA_SHORT, index);
            case 4, 5 -> data.getAtIndex(ValueLayout.JAVA_INT, index);
            case 6 -> data.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case 7 -> data.getAtIndex(ValueLayout.JAVA_BOOLEAN, index);
            case 10, 11 -> data.getAtIndex(ValueLayout.JAVA_LONG, index);
            case 12 -> data.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
            default -> throw new AssertionError("no value type has the id " + type);
        };
    }

    private static List<Tensor> tensors(Gguf gguf, MemorySegment context) {
        List<Tensor> tensors = new ArrayList<>();
        long count = call(() -> (long) gguf.tensors().invokeExact(context));
        for (long i = 0; i < count; i++) {
            long at = i;
            MemorySegment shape = call(() -> (MemorySegment) gguf.tensorShape().invokeExact(context, at));
            tensors.add(new Tensor(
                    LlamaCpp.text(call(() -> (MemorySegment) gguf.tensorName().invokeExact(context, at))),
                    call(() -> (int) gguf.tensorType().invokeExact(context, at)),
                    Arrays.stream(shape.reinterpret(4 * Long.BYTES).toArray(ValueLayout.JAVA_LONG))
                            .boxed()
                            .toList(),
                    call(() -> (long) gguf.tensorOffset().invokeExact(context, at)),
                    call(() -> (long) gguf.tensorSize().invokeExact(context, at))));
        }
        return List.copyOf(tensors);
    }
}
